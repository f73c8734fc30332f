/**
 * Builds the arguments of scripts and reads their replies. A client's type mapping may change how numbers and strings
 * arrive.
 */
import { CorruptSessionError } from '../session/errors.ts'
import type { IndexPage, Outcome, StoredRecord, Write } from './records.ts'

/** Returns the ARGV of the scripts that write. Redis refuses an expiry of 0 ms since 1970 or less. It becomes 1 ms. */
export function writeArguments({ sessionId, expected, record, expiry, entry, limit }: Write): string[] {
  const [expires, end] = 'at' in expiry ? [expiry.at, ''] : [Math.max(expiry.else, 1), expiry.end]
  const until = entry === null ? '' : entry.until
  return [
    sessionId,
    record,
    expires,
    end,
    expected === null ? '0' : '1',
    until,
    limit ?? '',
    expected ?? '',
  ].map(String)
}

/** Whether Redis answered with an error, so that nothing was done. After any other error the answer may be lost. */
export function isReply(error: unknown): boolean {
  return error instanceof CorruptSessionError || /^[A-Z]{2,} /.test(String(Object(error).message))
}

/** Returns a string that Redis has answered, or `null` if there is none. */
export function textOf(reply: unknown): string | null {
  return reply === null || reply === undefined ? null : String(reply)
}

/**
 * `full`: the user has as many sessions as allowed. `unannounced`: the removal was done, but could not be published.
 */
const [full, unannounced] = [-1, 2]

export function outcome(reply: unknown): Outcome {
  if (Array.isArray(reply)) return { done: false, current: String(reply[0]) }
  const done = Number(reply)
  if (done === full) return { done: false, current: null, full: true }
  if (done === unannounced) return { done: true, unannounced: true }
  return done > 0 ? { done: true } : { done: false, current: null }
}

export function storedRecords(reply: unknown): StoredRecord[] {
  const flat = reply as unknown[]
  return Array.from({ length: flat.length / 2 }, (_, n) => {
    const raw = flat[2 * n] ?? null
    const expires = Number(flat[2 * n + 1])
    return {
      raw: raw === null ? null : String(raw),
      foreign: raw === null && expires !== -2,
      expires: expires > 0 ? expires : null,
    }
  })
}

export function indexPage(reply: unknown): IndexPage {
  const [cursor, flat] = reply as [string, string[]]
  const entries = Array.from({ length: flat.length / 2 }, (_, n) => ({
    sessionId: String(flat[2 * n]),
    score: Number(flat[2 * n + 1]),
  }))
  return { cursor: String(cursor), entries }
}
