import type { IndexPage, Outcome, Removal, StoredRecord, Write } from './records.ts'

/** About how many index entries are read at a time. */
export const pageSize = 100

/** What the writing script takes as ARGV. */
export function writeArguments(write: Write, hasOwner: boolean): string[] {
  const { sessionId, expires, keepTtl, record, expected } = write
  const args = [sessionId, String(expires), keepTtl ? 'keep' : '', record, hasOwner ? '1' : '0']
  if (expected !== null) args.push(expected)
  return args
}

/** What the removing scripts take as ARGV[1…4]. */
export function removalArguments({ sessionId, expected, announcement }: Removal): string[] {
  const args = [sessionId, announcement?.channel ?? '', announcement?.message ?? '']
  return expected === null ? args : [...args, expected]
}

/** What a removing script answers where a message could not be published. */
const unannounced = 2

/** A client's type mapping may make other things of numbers and strings, but not of an array. */
export function outcome(reply: unknown): Outcome {
  if (Array.isArray(reply)) return { done: false, current: String(reply[0]) }
  const done = Number(reply)
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
