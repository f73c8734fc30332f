import { CorruptSessionError, SessionConflictError } from '../session/errors.ts'
import { type Access, readOne } from './access.ts'
import type { Outcome, Write } from './records.ts'

/** Each failed attempt means that another write succeeded, so only a runaway writer comes near this. */
export const maxAttempts = 10_000

/**
 * Writes; and where the record is not the expected one, writes what `again` makes of the record that is there now (`null`:
 * there is none), until it succeeds or there is nothing to write, `null`. A write that is already expired deletes.
 *
 * Resolves to the write that took place, or `null`.
 */
export async function compareAndSet(
  access: Access,
  first: Write | null,
  again: (current: string | null) => Promise<Write | null>,
): Promise<Write | null> {
  let write = first
  for (let attempts = 0; write !== null; attempts++) {
    if (attempts === maxAttempts) throw new SessionConflictError(write.sessionId, attempts)
    const outcome = await attempt(access, write)
    if (outcome.done) return write
    if (outcome.current === write.expected) {
      throw new CorruptSessionError(access.keys.session(write.sessionId), 'is not valid UTF-8')
    }
    write = await again(outcome.current)
  }
  return null
}

function attempt(access: Access, write: Write): Promise<Outcome> {
  if (write.keepTtl || write.expires > Date.now()) return access.records.write(write)
  return removeExpired(access, write)
}

async function removeExpired(
  access: Access,
  { sessionId, expected, owner, previousOwner }: Write,
): Promise<Outcome> {
  if (expected === null) {
    const { raw } = await readOne(access, sessionId)
    return raw === null ? { done: true } : { done: false, current: raw }
  }
  const owners = [owner, previousOwner].filter((user) => user !== null)
  return access.records.remove({ sessionId, expected, owners })
}
