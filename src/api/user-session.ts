import type { SessionData } from 'express-session'
import { cookieOf } from '../session/expiry.ts'
import { handleOf } from '../session/handle.ts'
import { createdOf } from '../session/lifetime.ts'
import type { ReadableRecord } from '../users/list.ts'

/** One of a user's sessions, as `userSessions` lists it. */
export interface UserSession {
  sessionId: string
  /** base64url SHA-256 of the session id: show this, post it back, and keep the id to yourself. */
  handle: string
  data: SessionData
  /** When the session ends unless it is used before. */
  expires: Date
  /** When it was last touched: its expiry less the cookie's `originalMaxAge`; undefined where there is none. */
  lastActive?: Date
  /** When it was created; undefined where its record does not say, because it was written without `absoluteTtl`. */
  created?: Date
}

export function userSession(
  { sessionId, data, expires }: ReadableRecord,
  sessionData: SessionData,
): UserSession {
  const maxAge = cookieOf(data)?.originalMaxAge
  const session: UserSession = {
    sessionId,
    handle: handleOf(sessionId),
    data: sessionData,
    expires: new Date(expires),
  }
  if (typeof maxAge === 'number') session.lastActive = new Date(expires - maxAge)
  const created = createdOf(data)
  if (created !== null) session.created = new Date(created)
  return session
}

/** Most recently active first; those without `lastActive` come last, and among them the one that lives longest first. */
export function byActivity(a: UserSession, b: UserSession): number {
  const [left, right] = [a, b].map(({ lastActive }) => lastActive?.getTime() ?? Number.NEGATIVE_INFINITY) as [
    number,
    number,
  ]
  return left === right ? b.expires.getTime() - a.expires.getTime() : right - left
}
