import type { SessionData } from 'express-session'
import { type Access, readStored } from '../redis/access.ts'
import type { SessionRecord } from '../redis/records.ts'
import { hasPrefix } from '../redis/scripts.ts'
import { parseRecord } from '../session/codec.ts'
import { CorruptSessionError } from '../session/errors.ts'
import { cookieExpiry, cookieOf, plainCookie } from '../session/expiry.ts'
import { createdOf, endOf } from '../session/lifetime.ts'

export interface LoadedSession {
  raw: string
  data: SessionRecord
}

/**
 * A session's record and its data; `null` where there is none. Where the cookie says that the session has ended and Redis
 * does not (another store moved the TTL and not the record), the cookie is given the true expiry.
 */
export async function loadSession(access: Access, sessionId: string): Promise<LoadedSession | null> {
  const key = access.keys.session(sessionId)
  let reply: unknown
  try {
    reply = await access.client.get(key)
  } catch (error) {
    if (hasPrefix(error, 'WRONGTYPE'))
      throw new CorruptSessionError(key, 'is of another type than a session', error)
    throw error
  }
  if (reply === null) return null
  const raw = String(reply)
  const parsed = parseRecord(access.serializer, raw, key)
  const data = parsed instanceof Promise ? await parsed : parsed
  const cookieExpires = cookieExpiry(data)
  const now = Date.now()
  if (endOf(access, createdOf(data)) <= now) return null
  if (cookieExpires !== null && cookieExpires <= now) return loadOutlived(access, sessionId)
  return { raw, data }
}

async function loadOutlived(access: Access, sessionId: string): Promise<LoadedSession | null> {
  const stored = await readStored(access, sessionId)
  if (stored === null || stored.expires === null) return null
  const data = await parseRecord(access.serializer, stored.raw, access.keys.session(sessionId))
  data.cookie = { ...cookieOf(data), expires: new Date(stored.expires).toISOString() }
  return { raw: stored.raw, data }
}

/**
 * express-session cannot do without a cookie. Data that has none (`createSession` made it) gets one without `maxAge`, so that
 * its own `expires` keeps ruling; it is not enumerable, because it is not part of the data.
 */
export function withCookie(data: SessionRecord): SessionData {
  if (cookieOf(data) === undefined) {
    const value = { ...plainCookie }
    Object.defineProperty(data, 'cookie', { value, enumerable: false, writable: true, configurable: true })
  }
  return data as unknown as SessionData
}

/** A copy for express-session's `Session`, which copies only what is enumerable. */
export function withEnumerableCookie(data: SessionData): SessionData {
  if (Object.prototype.propertyIsEnumerable.call(data, 'cookie') && data.cookie) return data
  return { ...data, cookie: withCookie(data as unknown as SessionRecord).cookie }
}
