import { type Access, isOwnedBy, readable, readOne, type UserRecord } from '../redis/access.ts'
import { maxAttempts } from '../redis/compare-and-set.ts'
import type { Outcome, Removal } from '../redis/records.ts'
import { SessionConflictError } from '../session/errors.ts'
import { handleOf } from '../session/handle.ts'
import { passportUser } from '../session/owner.ts'
import { settleAll } from '../session/settle-all.ts'
import { findOwner } from './find-owner.ts'
import { userRecords } from './list.ts'

type Revocable = Pick<UserRecord, 'sessionId' | 'raw' | 'data'> & {
  /** Whose index lists it, where its data cannot tell. */
  listedBy?: string | null
}

/** Deletes a session and its index entry, corrupt or not; resolves to whether there was one. */
export async function revokeSession(access: Access, sessionId: string): Promise<boolean> {
  const stored = await readOne(access, sessionId)
  if (stored.raw === null && !stored.foreign) return false
  const data = await readable(access, sessionId, stored)
  return revoke(access, {
    sessionId,
    raw: stored.raw,
    data,
    listedBy: await listedBy(access, sessionId, data),
  })
}

/** What the record does not tell the indexes do: no later write of that user would find its entry. */
async function listedBy(access: Access, sessionId: string, data: Revocable['data']): Promise<string | null> {
  const isTold = data !== null && access.ownerOf(data) !== undefined
  return isTold ? null : findOwner(access, sessionId, data ?? {})
}

/** Deletes a user's sessions, all but `except`; resolves to how many there were. */
export async function revokeUser(access: Access, userId: string, except?: string): Promise<number> {
  let revoked = 0
  for (let looks = 0; looks < maxLooks; looks++) {
    const found = await revokeListed(access, userId, except)
    if (found === 0) break
    revoked += found
  }
  return revoked
}

/** On Cluster an entry may be missing for a moment, while someone who removed it looks whether its session has come back. */
const maxLooks = 3

async function revokeListed(access: Access, userId: string, except?: string): Promise<number> {
  let revoked = 0
  for await (const page of userRecords(access, userId)) {
    const others = page.filter(({ sessionId }) => sessionId !== except)
    const removals = await settleAll(others.map((session) => revoke(access, session, userId)))
    revoked += removals.filter(Boolean).length
  }
  return revoked
}

/**
 * Deletes a session, or with `userId` only while it is that user's; resolves to whether it did. Each attempt deletes exactly
 * the record that told whose session it is.
 */
export async function revoke(access: Access, session: Revocable, userId?: string): Promise<boolean> {
  const removed = await removeUnchanged(access, session, userId, (removal) => access.records.remove(removal))
  return removed === true
}

/** Deletes a user's session while he has more than `limit`; resolves to whether it did, and to `null` where he has not. */
export function evict(
  access: Access,
  userId: string,
  session: Revocable,
  limit: number,
): Promise<boolean | null> {
  return removeUnchanged(access, session, userId, (removal) =>
    access.records.evict(userId, { ...removal, limit }),
  )
}

async function removeUnchanged(
  access: Access,
  session: Revocable,
  userId: string | undefined,
  remove: (removal: Removal) => Promise<Outcome | null>,
): Promise<boolean | null> {
  const { sessionId } = session
  let { raw, data } = session
  for (let attempts = 0; attempts < maxAttempts; attempts++) {
    if (userId !== undefined && data && !(await isOwnedBy(access, userId, sessionId, data))) return false
    const owners = indexesOf(access, data, userId ?? session.listedBy)
    const announcement = access.announce?.(sessionId, owners[0] ?? null)
    const outcome = await remove({ sessionId, expected: raw, owners, announcement })
    if (outcome === null) return null
    if (outcome.done) {
      access.destroyed?.(sessionId, owners[0] ?? null, announcement)
      if (outcome.unannounced) access.unannounced?.()
      return true
    }
    if (outcome.current === null) return false
    // A record that is not valid UTF-8 reads the same twice and still differs: it is corrupt, and goes whatever it holds.
    raw = outcome.current === raw ? null : outcome.current
    data = await readable(access, sessionId, { raw })
  }
  throw new SessionConflictError(sessionId, maxAttempts)
}

function indexesOf(access: Access, data: Revocable['data'], userId?: string | null): string[] {
  const owner = data && access.ownerOf(data)
  const owners = [userId, owner === undefined ? data && passportUser(data)?.toString() : owner]
  return [...new Set(owners.filter((owner) => typeof owner === 'string'))]
}

/** Signs out a user's session by its handle or its id; resolves to whether it was his. */
export async function revokeByHandle(access: Access, userId: string, handle: string): Promise<boolean> {
  for await (const page of userRecords(access, userId)) {
    const session = page.find(({ sessionId }) => sessionId === handle || handleOf(sessionId) === handle)
    if (session) return revoke(access, session, userId)
  }
  return revokeUnlisted(access, userId, handle)
}

/** An id may name a session of this user whose index Redis has evicted. */
async function revokeUnlisted(access: Access, userId: string, sessionId: string): Promise<boolean> {
  const { raw } = await readOne(access, sessionId)
  const data = await readable(access, sessionId, { raw })
  return data !== null && revoke(access, { sessionId, raw, data }, userId)
}
