/**
 * Loads sessions for express-session. A request touches its session at its end. The loaded cookie already has the expiry
 * that this touch will give it.
 */
import type { SessionData } from 'express-session'
import type { Access } from '../redis/access.ts'
import {
  decode,
  fetchRaw,
  hasEnded,
  readAgain,
  readLive,
  type StoredSession,
} from '../redis/stored-session.ts'
import { cookieData, cookieOf, maxAgeOf, plainCookie } from '../session/cookie.ts'
import { notMissing } from '../session/errors.ts'
import { isoTime } from '../session/iso-time.ts'
import { endOf, isFixed, startOf } from '../session/lifetime.ts'
import { lostIdIn, namedInRecord } from '../session/owner.ts'
import type { SessionRecord } from '../session/record.ts'
import type { Version } from './versions.ts'

export interface LoadedSession {
  data: SessionRecord
  version: Version
}

/**
 * Resolves to a session's data and its version, or to `null` if the session does not exist. `since` is the moment before
 * Redis was asked, as `Destroyed.now` tells it. If this process is deleting the session, the load waits:
 * express-session's `req.session.destroy()` gives its caller no promise.
 */
export async function loadSession(
  access: Access,
  sessionId: string,
): Promise<{ loaded: LoadedSession; since: number } | null> {
  const key = access.keys.session(sessionId)
  const destroyed = access.turns.destroyed(key)
  if (destroyed) await destroyed
  const since = access.destroyed.now
  try {
    // With `disableTouch` nobody moves the recorded expiry. If another store has moved the TTL, only Redis knows.
    const session = await (access.disableTouch ? readLive(access, sessionId) : fetchLive(access, sessionId))
    if (session === null) return null
    // Nobody knows whether this is the destroyed session, or a new one under the same id.
    if (access.destroyed.since(key, since)) return loadSession(access, sessionId)
    return { loaded: loadedOf(access, session, session.expires ?? null), since }
  } catch (error) {
    throw notMissing(error)
  }
}

async function fetchLive(
  access: Access,
  sessionId: string,
): Promise<(StoredSession & { expires?: undefined }) | null> {
  const raw = await fetchRaw(access, sessionId)
  if (raw === null) return null
  const decoded = decode(access, sessionId, raw)
  const session = decoded instanceof Promise ? await decoded : decoded
  return hasEnded(access, session) ? await readAgain(access, sessionId) : session
}

/**
 * Returns the session as an app gets it. This moves the cookie of `session.data`. `expires` is the session's end in ms
 * since 1970, or `null` if it was not read.
 */
export function loadedOf(access: Access, session: StoredSession, expires: number | null): LoadedSession {
  const { raw, data, owner, until, cookieExpires: recorded } = session
  const created = startOf(data)
  const isOutright = isFixed(data) || recorded === until
  const maxAge = maxAgeOf(data)
  let cookieExpires = recorded
  if (recorded !== null) {
    const end = isOutright || maxAge === null ? recorded : (expires ?? Date.now() + maxAge)
    cookieExpires = Math.trunc(Math.min(end, endOf(access, created)))
    if (cookieExpires !== recorded) data.cookie = { ...cookieOf(data), expires: isoTime(cookieExpires) }
  }
  const named = namedInRecord(access.userId, data)
  const version = {
    raw,
    owner,
    named,
    lostId: owner !== null && named === null ? lostIdIn(access.userId, data) : undefined,
    until: owner === null ? null : until,
    created,
    cookie: cookieData(data) ?? plainCookie,
    cookieExpires,
    rolls: !access.disableTouch && !isOutright,
  }
  return { data, version }
}

/**
 * Adds a cookie to data without one, such as a session of `createSession`, because express-session needs one. The
 * cookie has no `maxAge`, so the data's own `expires` still sets the expiry. It is not enumerable, because it is not
 * part of the data.
 */
export function withCookie(data: SessionRecord): SessionData {
  if (cookieOf(data) === undefined) {
    const value = { ...plainCookie }
    Object.defineProperty(data, 'cookie', { value, enumerable: false, writable: true, configurable: true })
  }
  return data as unknown as SessionData
}

/** Copies the data for express-session's `Session`, which copies only enumerable properties. */
export function withEnumerableCookie(data: SessionData): SessionData {
  if (Object.prototype.propertyIsEnumerable.call(data, 'cookie') && data.cookie) return data
  return { ...data, cookie: withCookie(data as unknown as SessionRecord).cookie }
}
