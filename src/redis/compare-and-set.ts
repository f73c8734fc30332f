import { CorruptSessionError, SessionConflictError } from '../session/errors.ts'
import type { Access } from './access.ts'
import type { Outcome, Write } from './records.ts'
import { readOne } from './stored-session.ts'

/**
 * Each failed attempt means that another write succeeded. Only a program that never stops writing can reach this limit.
 */
export const maxAttempts = 10_000

/**
 * Compare-and-set loop. On a mismatch, `again` computes a new write from the current record, or from `null` if there is
 * none. The loop ends when a write succeeds or `again` returns `null`. A write that is already expired deletes the
 * session.
 *
 * Resolves to the successful write, or to `null` if there was nothing to write. Resolves to `'full'` if the user
 * already has as many sessions as the write allows.
 */
export async function compareAndSet<W extends Write>(
  access: Access,
  first: W | null,
  again: (current: string | null) => Promise<W | null>,
): Promise<W | null | 'full'> {
  let write = first
  let wasSame = false
  for (let attempts = 0; write !== null; attempts++) {
    if (attempts === maxAttempts) throw new SessionConflictError(write.sessionId, attempts)
    const outcome = await attempt(access, write)
    if (outcome.done) return write
    if (outcome.full) return 'full'
    const isSame = outcome.current !== null && outcome.current === write.expected
    // Another write may have come and gone. A record that is not valid UTF-8 reads with this character, and never matches.
    if (isSame && wasSame && outcome.current?.includes('\uFFFD'))
      throw new CorruptSessionError(access.keys.session(write.sessionId), 'is not valid UTF-8')
    wasSame = isSame
    write = await again(outcome.current)
  }
  return null
}

function attempt(access: Access, write: Write): Promise<Outcome> {
  if ('keep' in write.expiry || write.expiry.at > Date.now()) return access.records.write(write)
  return removeExpired(access, write)
}

async function removeExpired(access: Access, write: Write): Promise<Outcome> {
  const { sessionId, expected, previous } = write
  if (expected === null) {
    const { raw } = await readOne(access, sessionId)
    return raw === null ? { done: true } : { done: false, current: raw }
  }
  const [outcome] = await access.records.remove(previous?.owner ?? null, [{ sessionId, expected }])
  return outcome as Outcome
}
