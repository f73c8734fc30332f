/** Updates stored sessions, even if other writes come in between: one session, or all sessions of a user. */
import type { Access } from '../redis/access.ts'
import { compareAndSet } from '../redis/compare-and-set.ts'
import type { Expiry, IndexEntry, Write } from '../redis/records.ts'
import { decodeLive, encode, fetchRaw, readOne, type StoredSession } from '../redis/stored-session.ts'
import { checkObject } from '../session/arguments.ts'
import { stringifyRecord } from '../session/codec.ts'
import { cookieExpiry, withCookieExpiry } from '../session/cookie.ts'
import { CorruptSessionError, SessionUserError } from '../session/errors.ts'
import { checkTimestamp, forever } from '../session/expiry.ts'
import { withoutNote } from '../session/index-note.ts'
import {
  createdOf,
  createdProperty,
  endOf,
  expiryWithoutTtl,
  listedUntil,
  type Sealed,
  sealed,
} from '../session/lifetime.ts'
import { namedInRecord, namesTheSame } from '../session/owner.ts'
import type { SessionRecord } from '../session/record.ts'
import { settleAll } from '../session/settle-all.ts'
import { userRecords } from './list.ts'

/**
 * Merges `patch` into a session by top-level property. A new `expires` or `cookie` moves the TTL. Resolves to `false`
 * if the session does not exist. A change of owner rejects with `SessionUserError`, and nothing is written.
 */
export async function updateSessionRecord(
  access: Access,
  sessionId: string,
  patch: SessionRecord,
): Promise<boolean> {
  const raw = await fetchRaw(access, sessionId)
  return raw !== null && update(access, sessionId, raw, patch)
}

/** Updates each session of a user. Resolves to how many were updated. Corrupt records are left out. */
export async function updateUserRecords(
  access: Access,
  userId: string,
  patch: SessionRecord,
): Promise<number> {
  const updated = new Set<string>()
  for await (const page of userRecords(access, userId)) {
    const pending = page.filter(({ sessionId, raw }) => raw !== null && !updated.has(sessionId))
    const results = await settleAll(
      pending.map(({ sessionId, raw }) => updateReadable(access, sessionId, raw as string, patch, userId)),
    )
    for (const [n, { sessionId }] of pending.entries()) if (results[n]) updated.add(sessionId)
  }
  return updated.size
}

/** Checks the properties that an update merges, before anything is written. An `expires` that is undefined is left out. */
export async function checkChanges({ serializer }: Access, patch: SessionRecord): Promise<void> {
  if (patch.expires === undefined) delete patch.expires
  else checkTimestamp(patch.expires, 'data.expires')
  // A new cookie replaces the whole cookie, which decides when the session ends.
  if (patch.cookie !== undefined) checkObject(patch.cookie, 'data.cookie')
  await stringifyRecord(serializer, patch)
}

async function updateReadable(...args: [...Parameters<typeof update>]): Promise<boolean> {
  try {
    return await update(...args)
  } catch (error) {
    if (error instanceof CorruptSessionError) return false
    throw error
  }
}

async function update(
  access: Access,
  sessionId: string,
  raw: string,
  patch: SessionRecord,
  userId?: string,
): Promise<boolean> {
  const changed = async (current: string | null): Promise<Write | null> => {
    if (current === null) return null
    const session = await decodeLive(access, sessionId, current)
    if (session === null || (userId !== undefined && session.owner !== userId)) return null
    return patchedWrite(access, session, patch)
  }
  let written: Write | null = null
  await access.turns.take(access.keys.session(sessionId), async (latest) => {
    const first = (latest === undefined ? null : await changed(latest)) ?? (await changed(raw))
    written = (await compareAndSet(access, first, changed)) as Write | null
    return written?.record
  })
  return written !== null
}

async function patchedWrite(access: Access, session: StoredSession, patch: SessionRecord): Promise<Write> {
  const { sessionId, raw, data, owner, until } = session
  const next = patched(data, patch)
  refuseOtherUser(access, session, next)
  const seal = sealed(access, next, createdOf(data))
  const movesExpiry = patch.expires !== undefined || patch.cookie !== undefined
  const entry = owner === null ? null : { owner, until: await nextUntil(access, session, seal, patch) }
  return {
    sessionId,
    expected: raw,
    record: await encode(access, seal.data, entry),
    expiry: movesExpiry ? { at: seal.expires } : keptExpiry(access, seal, until),
    entry,
    previous: owner === null ? null : ({ owner, until } satisfies IndexEntry),
  }
}

/** A session may name its owner in another property than before, but it must not name another user. */
function refuseOtherUser(
  { userId }: Access,
  { sessionId, data, owner }: StoredSession,
  next: SessionRecord,
): void {
  const named = namedInRecord(userId, next)
  if (named !== owner && !namesTheSame(userId, next, data)) throw new SessionUserError(sessionId, named)
}

function keptExpiry(access: Access, { data, created }: Sealed, until: number | null): Expiry {
  const end = Math.min(endOf(access, created), forever)
  return { keep: true, end, else: Math.min(expiryWithoutTtl(access, { data, until }), end) }
}

/** If the app sets the expiry outright, it is also the `until`. A record without an `until` gets one from its TTL. */
async function nextUntil(
  access: Access,
  session: StoredSession,
  seal: Sealed,
  patch: SessionRecord,
): Promise<number> {
  const end = endOf(access, seal.created)
  if (patch.expires !== undefined) return seal.expires
  if (patch.cookie !== undefined) return listedUntil(seal.data, seal.expires, end, session.until)
  if (session.until !== null) return Math.min(session.until, end)
  const { expires } = await readOne(access, session.sessionId)
  const ends = expires ?? expiryWithoutTtl(access, { data: seal.data, until: null })
  return listedUntil(seal.data, Math.min(ends, end), end, null)
}

/** If the cookie sets the expiry, a new `expires` goes into the cookie. So the session does not have two. */
function patched(data: SessionRecord, { [createdProperty]: _, ...patch }: SessionRecord): SessionRecord {
  const next: SessionRecord = { ...data, ...withoutNote(patch) }
  if (patch.expires === undefined || cookieExpiry(next) === null) return next
  const moved = moveCookie(next, patch.expires as string)
  if (!Object.hasOwn(data, 'expires')) delete moved.expires
  return moved
}

/** If the cookie sets the expiry, it gets the new `expires`. */
export function moveCookie(data: SessionRecord, expires: string): SessionRecord {
  return cookieExpiry(data) === null ? data : withCookieExpiry(data, Date.parse(expires))
}
