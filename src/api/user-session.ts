import type { SessionData } from 'express-session'
import { maxAgeOf } from '../session/cookie.ts'
import { handleOf } from '../session/handle.ts'
import { createdOf } from '../session/lifetime.ts'
import type { ListedSession } from '../users/list.ts'

/** One of a user's sessions, as `userSessions` lists it. */
export interface UserSession {
  sessionId: string
  /** base64url SHA-256 of the session id. Show this on a page and post it back; keep the id secret. */
  handle: string
  data: SessionData
  /** When the session ends unless it is used before. */
  expires: Date
  /**
   * The time of the last touch: the expiry less the cookie's `originalMaxAge`, never in the future. Undefined without
   * `originalMaxAge`. If `absoluteTtl` cuts the lifetime short, it is earlier than the touch.
   */
  lastActive?: Date
  /**
   * The creation time. Undefined if the record was written without `absoluteTtl`, because it then does not hold the
   * time.
   */
  created?: Date
}

/** `data` is the session data as the app sees it. */
export function userSession({ sessionId, session, expires }: ListedSession, data: SessionData): UserSession {
  const listed: UserSession = { sessionId, handle: handleOf(sessionId), data, expires: new Date(expires) }
  const maxAge = maxAgeOf(session.data)
  // If the app set the expiry outright, it can be later than a touch would set it.
  if (maxAge !== null) listed.lastActive = new Date(Math.min(expires - maxAge, Date.now()))
  const created = createdOf(session.data)
  if (created !== null) listed.created = new Date(created)
  return listed
}

/**
 * Orders sessions: most recently active first, and those without `lastActive` last. Among those, the one that expires
 * last comes first.
 */
export function byActivity(a: UserSession, b: UserSession): number {
  const [left, right] = [a, b].map(({ lastActive }) => lastActive?.getTime() ?? Number.NEGATIVE_INFINITY) as [
    number,
    number,
  ]
  return left === right ? b.expires.getTime() - a.expires.getTime() : right - left
}
