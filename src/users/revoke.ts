/**
 * Revokes sessions: one, one of a user, or all of a user. Each is deleted with its index entry, even if its record is
 * corrupt. If nobody knows the owner of a corrupt record, the owner's next listing removes the entry.
 *
 * A request that has loaded the session before cannot bring it back. Its save finds no record, and `requests/save.ts`
 * drops it.
 */
import { setImmediate } from 'node:timers/promises'
import type { Access } from '../redis/access.ts'
import { maxAttempts } from '../redis/compare-and-set.ts'
import type { Outcome, Removal } from '../redis/records.ts'
import { fetchRaw, readable } from '../redis/stored-session.ts'
import { startAhead } from '../session/ahead.ts'
import { CorruptSessionError, SessionConflictError } from '../session/errors.ts'
import { handleOf } from '../session/handle.ts'
import { settleAll } from '../session/settle-all.ts'
import { type UserRecord, userRecords } from './list.ts'

interface Revocable extends Pick<UserRecord, 'sessionId' | 'raw'> {
  session: { owner: string | null } | null
}

/**
 * Deletes a session. Resolves to whether there was one. If its owner cannot be read, the owner's next listing removes
 * the entry. With `known`, the session is not read first. If another record is there by then, it is deleted too, with
 * the entry of its own owner.
 */
export async function revokeSession(
  access: Access,
  sessionId: string,
  known?: { raw: string; owner: string | null },
): Promise<boolean> {
  if (known) return await revokeOne(access, { sessionId, raw: known.raw, session: known })
  const moment = access.destroyed.begin()
  const raw = await fetchRaw(access, sessionId).catch(whateverIsThere)
  if (raw === null) {
    // An earlier attempt, whose answer was lost, may have deleted it.
    access.destroyed.add(access.keys.session(sessionId), moment)
    return false
  }
  const session = await readable(access, sessionId, raw || null).catch(() => null)
  return await revokeOne(access, { sessionId, raw: raw || null, session })
}

/** A value of another type and an empty record are deleted too. */
function whateverIsThere(error: unknown): '' {
  if (error instanceof CorruptSessionError) return ''
  throw error
}

/** Deletes a user's sessions, except the session `except`. Resolves to how many were deleted. */
export async function revokeUser(access: Access, userId: string, except?: string): Promise<number> {
  let revoked = 0
  for (let listings = 0; listings < maxListings; listings++) {
    const found = await revokeListed(access, userId, except)
    if (found === 0) break
    revoked += found
  }
  return revoked
}

/**
 * How often a revocation lists the sessions at most. A further listing finds the sessions of sign-ins at the same time.
 * On Redis Cluster another process may have removed the entry of such a sign-in, which then lists its session again.
 */
const maxListings = 3

/** Taken while this module loads, so that a fake clock of a test cannot stop a revocation. */
const endOfTurn = setImmediate

async function revokeListed(access: Access, userId: string, except?: string): Promise<number> {
  const revoke = (batch: UserRecord[]) => revokeAll(access, userId, batch)
  let revoked = 0
  for await (const count of startAhead(othersOf(access, userId, except), revoke)) revoked += count
  return revoked
}

/**
 * Yields the user's sessions except one, in batches. node-redis sends its commands at the end of the turn of the event
 * loop, so this waits until then. Then Redis deletes one batch while this process parses the next one.
 */
async function* othersOf(access: Access, userId: string, except?: string): AsyncGenerator<UserRecord[]> {
  for await (const batch of userRecords(access, userId)) {
    yield batch.filter(({ sessionId }) => sessionId !== except)
    await endOfTurn()
  }
}

/** Deletes sessions of a user together. A session whose record has changed meanwhile is then handled alone. */
async function revokeAll(access: Access, userId: string, sessions: readonly Revocable[]): Promise<number> {
  if (sessions.length === 0) return 0
  const removals = sessions.map((session) => removalOf(access, session, userId))
  const moment = access.destroyed.begin()
  const outcomes = await access.records.remove(userId, removals)
  const removed = await settleAll(
    outcomes.map((outcome, n) =>
      concluded(access, userId, sessions[n] as Revocable, removals[n] as Removal, moment, outcome),
    ),
  )
  return removed.filter(Boolean).length
}

/** Whether a session was deleted. If its record had changed, this tries again with the new record. */
async function concluded(
  access: Access,
  userId: string | null,
  { sessionId, raw }: Revocable,
  { announcement }: Removal,
  moment: number,
  outcome: Outcome,
): Promise<boolean> {
  if (outcome.done) {
    const { deleted = raw } = outcome
    const owner = deleted === raw ? userId : await ownerOf(access, sessionId, deleted)
    access.destroyed.add(access.keys.session(sessionId), moment)
    access.onDestroyed?.(sessionId, owner, announcement, !outcome.unannounced)
    if (owner !== null && owner !== userId) await unlist(access, owner, sessionId)
    return true
  }
  if (outcome.current === null) return false
  const changed = await changedRecord(access, sessionId, raw, outcome.current)
  return revokeOne(access, changed, userId ?? undefined)
}

async function ownerOf(access: Access, sessionId: string, raw: string | null): Promise<string | null> {
  const session = await readable(access, sessionId, raw).catch(() => null)
  return session?.owner ?? null
}

/**
 * Removes the entry that a sign-in has made just before the anonymous session was deleted. After a crash before this
 * step, the user's next listing removes the entry.
 */
async function unlist(access: Access, owner: string, sessionId: string): Promise<void> {
  await access.records.reconcile(owner, [{ sessionId, score: null, wanted: null, raw: null }])
}

/**
 * A record that is not valid UTF-8 reads the same twice, and still does not match. It is corrupt, so it is deleted
 * whatever it holds.
 */
async function changedRecord(
  access: Access,
  sessionId: string,
  before: string | null,
  current: string,
): Promise<Revocable> {
  const raw = current === before ? null : current
  return { sessionId, raw, session: await readable(access, sessionId, raw) }
}

/**
 * Deletes a session and resolves to whether it did. With `userId`, it deletes the session only if that user owns it. A
 * corrupt record is the user's whose index lists it. Each attempt deletes only the record in which the owner was found.
 */
export async function revokeOne(access: Access, session: Revocable, userId?: string): Promise<boolean> {
  const removed = await removeUnchanged(access, session, userId, async (owner, removal) => {
    const [outcome] = await access.records.remove(owner, [removal])
    return outcome as Outcome
  })
  return removed === true
}

/**
 * Deletes a user's session if the user has more than `limit`. Resolves to whether it did, or to `null` if the user does
 * not have more.
 */
export function evict(
  access: Access,
  userId: string,
  session: Revocable,
  limit: number,
): Promise<boolean | null> {
  return removeUnchanged(access, session, userId, (owner, removal) =>
    access.records.evict(owner as string, removal, limit),
  )
}

async function removeUnchanged(
  access: Access,
  first: Revocable,
  userId: string | undefined,
  remove: (owner: string | null, removal: Removal) => Promise<Outcome | null>,
): Promise<boolean | null> {
  let session = first
  for (let attempts = 0; attempts < maxAttempts; attempts++) {
    if (userId !== undefined && session.session && session.session.owner !== userId) return false
    const owner = userId ?? session.session?.owner ?? null
    const removal = removalOf(access, session, owner)
    const moment = access.destroyed.begin()
    const outcome = await remove(owner, removal)
    if (outcome === null) return null
    if (outcome.done || outcome.current === null)
      return await concluded(access, owner, session, removal, moment, outcome)
    session = await changedRecord(access, session.sessionId, session.raw, outcome.current)
  }
  throw new SessionConflictError(first.sessionId, maxAttempts)
}

function removalOf(access: Access, { sessionId, raw }: Revocable, owner: string | null): Removal {
  return { sessionId, expected: raw, announcement: access.announce?.(sessionId, owner) }
}

/** Revokes a user's session by its handle or its id. Resolves to `false` if the user does not have it. */
export async function revokeByHandle(access: Access, userId: string, handle: string): Promise<boolean> {
  for await (const page of userRecords(access, userId)) {
    const session = page.find(({ sessionId }) => sessionId === handle || handleOf(sessionId) === handle)
    if (session) return revokeOne(access, session, userId)
  }
  return revokeUnlisted(access, userId, handle)
}

/** Finds a session of this user by its id if Redis has evicted the index. */
async function revokeUnlisted(access: Access, userId: string, sessionId: string): Promise<boolean> {
  const raw = await fetchRaw(access, sessionId).catch(whateverIsThere)
  const session = await readable(access, sessionId, raw)
  return session !== null && revokeOne(access, { sessionId, raw, session }, userId)
}
