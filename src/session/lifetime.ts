import type { Session, SessionData } from 'express-session'
import type { Access } from '../redis/access.ts'
import type { SessionRecord } from '../redis/records.ts'
import { cookieData, cookieExpiry, expiryOf, ownExpiry } from './expiry.ts'

/**
 * The property of a record that says when its session was created, in ms since 1970. It is written by the store alone: a save
 * takes it from the record that was loaded and not from the session object, a merge and an update cannot change it, and a
 * session that `regenerate` makes for the same user inherits it. Data that is copied with it can only make a session older.
 */
export const createdProperty = 'sessionCreated'

/**
 * When a session was created, in whole ms since 1970; `null` where its record does not say. None was created in the future: a
 * record that says so was written by something else, and lives no longer than if it said nothing.
 */
export function createdOf(data: object): number | null {
  const created = (data as SessionRecord)[createdProperty] as number
  if (!Number.isFinite(created)) return null
  return Math.floor(Math.min(Math.max(created, 0), Date.now()))
}

/** The earliest of what is known. */
export function earliest(...times: (number | null | undefined)[]): number | null {
  const known = times.filter((time) => typeof time === 'number')
  return known.length > 0 ? Math.min(...known) : null
}

/** When a session ends at the latest, in ms since 1970. */
export function endOf({ absoluteTtl }: Pick<Access, 'absoluteTtl'>, created: number | null): number {
  return absoluteTtl === null || created === null ? Number.POSITIVE_INFINITY : created + absoluteTtl
}

/** Whether a session is past its absolute end. Redis may still have it, where something that knows of none has moved its TTL. */
export function isOver(access: Pick<Access, 'absoluteTtl'>, data: object): boolean {
  return endOf(access, createdOf(data)) <= Date.now()
}

/** Data as it is to be written, its start, and when it expires (ms since 1970). With `absoluteTtl`, one without a start starts now. */
export function sealed(
  access: Pick<Access, 'absoluteTtl' | 'ttl'>,
  data: SessionRecord,
  start: number | null,
): { data: SessionRecord; created: number | null; expires: number } {
  if (access.absoluteTtl === null) return { data, created: start, expires: expiryOf(data, access.ttl) }
  const created = start ?? Date.now()
  const end = endOf(access, created)
  const capped = capData(data, created, end)
  return { data: capped, created, expires: Math.min(expiryOf(capped, access.ttl), end) }
}

/** The data with its creation time, and with a cookie and `expires` that go no further than `end` (ms since 1970). */
function capData(data: SessionRecord, created: number, end: number): SessionRecord {
  const capped: SessionRecord = { ...data, [createdProperty]: created }
  const cookieExpires = cookieExpiry(data)
  // Where the cookie says when it ends, an app may mean anything by the name of `expires`.
  if (cookieExpires === null) {
    const own = ownExpiry(data)
    if (own !== null && own > end) capped.expires = new Date(end).toISOString()
  } else if (cookieExpires > end) {
    const originalMaxAge = Math.max(end - Date.now(), 0)
    capped.cookie = { ...cookieData(data), expires: new Date(end).toISOString(), originalMaxAge }
  }
  return capped
}

/** Lets express-session's `touch`, which moves the cookie that the browser gets, go no further than `end` either. */
export function capTouch(session: Session & Partial<SessionData>, end: () => number): void {
  const { touch } = session
  Object.defineProperty(session, 'touch', {
    configurable: true,
    writable: true,
    value(this: Session) {
      touch.call(this)
      const { expires } = this.cookie
      if (expires instanceof Date && expires.getTime() > end()) this.cookie.expires = new Date(end())
      return this
    },
  })
}
