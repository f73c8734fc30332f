import type { SessionData } from 'express-session'
import { maxAgeOf } from '../session/cookie.ts'
import { handleOf } from '../session/handle.ts'
import { createdOf } from '../session/lifetime.ts'
import type { ListedSession } from '../users/list.ts'

/** One of a user's sessions, as `userSessions` lists it. */
export interface UserSession {
  sessionId: string
  /** base64url SHA-256 of the session id: show this, post it back, and keep the id to yourself. */
  handle: string
  data: SessionData
  /** When the session ends unless it is used before. */
  expires: Date
  /** When it was last touched: its expiry less the cookie's `originalMaxAge`, never in the future. Undefined if there is none. */
  lastActive?: Date
  /** When it was created. Undefined if its record does not say, because it was written without `absoluteTtl`. */
  created?: Date
}

/** `data` is what the app gets to see of the session. */
export function userSession({ sessionId, session, expires }: ListedSession, data: SessionData): UserSession {
  const listed: UserSession = { sessionId, handle: handleOf(sessionId), data, expires: new Date(expires) }
  const maxAge = maxAgeOf(session.data)
  // An expiry that the app set outright may lie beyond what a touch would give.
  if (maxAge !== null) listed.lastActive = new Date(Math.min(expires - maxAge, Date.now()))
  const created = createdOf(session.data)
  if (created !== null) listed.created = new Date(created)
  return listed
}

/** Most recently active first; those without `lastActive` come last, and among them the one that lives longest first. */
export function byActivity(a: UserSession, b: UserSession): number {
  const [left, right] = [a, b].map(({ lastActive }) => lastActive?.getTime() ?? Number.NEGATIVE_INFINITY) as [
    number,
    number,
  ]
  return left === right ? b.expires.getTime() - a.expires.getTime() : right - left
}
