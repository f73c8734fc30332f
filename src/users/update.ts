import { type Access, isOwnedBy, readStored } from '../redis/access.ts'
import { compareAndSet } from '../redis/compare-and-set.ts'
import type { SessionRecord, Write } from '../redis/records.ts'
import { parseRecord, stringifyRecord } from '../session/codec.ts'
import { CorruptSessionError, SessionUserError } from '../session/errors.ts'
import { cookieExpiry, cookieOf } from '../session/expiry.ts'
import { createdOf, createdProperty, endOf, sealed } from '../session/lifetime.ts'
import { passportUser } from '../session/owner.ts'
import { settleAll } from '../session/settle-all.ts'
import { findOwner } from './find-owner.ts'
import { userRecords } from './list.ts'

/** What is to become of a stored session, whatever record it has when the write takes place. */
export interface Change {
  apply(data: SessionRecord): SessionRecord
  /** Otherwise the TTL stays as it is. */
  movesExpiry: boolean
  /** The result has a `userId` that must be the owner's. */
  namesUser: boolean
}

/** Merges `patch` by top-level property; a new `expires` or `cookie` moves the TTL. */
export function patchWith(patch: SessionRecord): Change {
  return {
    apply: (data) => applyPatch(data, patch),
    movesExpiry: patch.expires !== undefined || patch.cookie !== undefined,
    namesUser: patch.userId !== undefined,
  }
}

/** Changes nothing but what `cookie` says, and moves the expiry. */
export function touchWith(cookie: SessionRecord | undefined): Change {
  return {
    apply: (data) => (cookie ? { ...data, cookie: { ...cookieOf(data), ...cookie } } : data),
    movesExpiry: true,
    namesUser: false,
  }
}

/**
 * Changes a stored session, whatever other writes come between; resolves to `false` where there is none. A change of owner
 * rejects with `SessionUserError` and writes nothing.
 */
export async function updateSessionRecord(
  access: Access,
  sessionId: string,
  change: Change,
): Promise<boolean> {
  const stored = await readStored(access, sessionId)
  return stored !== null && update(access, sessionId, stored.raw, change)
}

/** Changes each session of a user; resolves to how many there were. A record that turns out to be corrupt is left out. */
export async function updateUserRecords(access: Access, userId: string, change: Change): Promise<number> {
  const updated = new Set<string>()
  for await (const page of userRecords(access, userId)) {
    const pending = page.filter(({ sessionId }) => !updated.has(sessionId))
    const results = await settleAll(
      pending.map(({ sessionId, raw }) =>
        update(access, sessionId, raw, change, userId).catch((error) => {
          if (error instanceof CorruptSessionError) return false
          throw error
        }),
      ),
    )
    for (const [n, { sessionId }] of pending.entries()) if (results[n]) updated.add(sessionId)
  }
  return updated.size
}

async function update(
  access: Access,
  sessionId: string,
  raw: string | null,
  change: Change,
  userId?: string,
): Promise<boolean> {
  const changed = async (current: string | null): Promise<Write | null> => {
    if (current === null) return null
    const data = await parseRecord(access.serializer, current, access.keys.session(sessionId))
    if (userId !== undefined && !(await isOwnedBy(access, userId, sessionId, data))) return null
    const created = createdOf(data)
    const { data: next, expires } = sealed(access, change.apply(data), created)
    const owner = userId ?? (await ownerOfStored(access, sessionId, data, change))
    const nextOwner = access.ownerOf(next)
    if (nextOwner !== undefined && nextOwner !== owner) throw new SessionUserError(sessionId, nextOwner)
    if (nextOwner === undefined && passportUser(next) !== passportUser(data)) {
      throw new SessionUserError(sessionId, passportUser(next))
    }
    return {
      sessionId,
      expected: current,
      record: await stringifyRecord(access.serializer, next),
      expires,
      keepTtl: !change.movesExpiry && !isCapped(access, created, expires),
      owner,
      previousOwner: owner,
    }
  }
  return (await compareAndSet(access, await changed(raw), changed)) !== null
}

/** Whether its TTL may have to be shortened: to the end that it has from now on, or had when something else moved the TTL. */
function isCapped(access: Access, created: number | null, expires: number): boolean {
  return access.absoluteTtl !== null && (created === null || expires >= endOf(access, created))
}

/** Only a change that moves the expiry, or names a user, needs to know whose a record without `userId` is. */
async function ownerOfStored(
  access: Access,
  sessionId: string,
  data: SessionRecord,
  change: Change,
): Promise<string | null> {
  const owner = access.ownerOf(data)
  if (owner !== undefined) return owner
  return change.movesExpiry || change.namesUser ? findOwner(access, sessionId, data) : null
}

/** A new `expires` goes into the cookie where that is what rules, so that the session does not hold two. */
function applyPatch(data: SessionRecord, { [createdProperty]: _, ...patch }: SessionRecord): SessionRecord {
  const next: SessionRecord = { ...data, ...patch }
  if (patch.expires === undefined || cookieExpiry(next) === null) return next
  const moved = moveCookie(next, patch.expires as string)
  if (!Object.hasOwn(data, 'expires')) delete moved.expires
  return moved
}

/** A cookie that says when it ends says the same as a new `expires`: it is what rules. */
export function moveCookie(data: SessionRecord, expires: string): SessionRecord {
  if (cookieExpiry(data) === null) return data
  return { ...data, cookie: { ...cookieOf(data), expires: new Date(expires).toISOString() } }
}
