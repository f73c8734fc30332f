/** Reads and changes the expiry in a session's cookie. */
import { badArgument } from './errors.ts'
import { isoTime } from './iso-time.ts'
import type { SessionRecord } from './record.ts'

/** Returns the `cookie` of a session if it is an object. express-session needs an object there. */
export function cookieOf(session: SessionRecord): SessionRecord | undefined {
  const { cookie } = session
  return typeof cookie === 'object' && cookie !== null ? (cookie as SessionRecord) : undefined
}

/** Returns a copy of the cookie's current data. */
export function cookieData(session: SessionRecord): SessionRecord | undefined {
  const cookie = cookieOf(session)
  return cookie && { ...(typeof cookie.toJSON === 'function' ? cookie.toJSON() : cookie) }
}

/**
 * Same as `cookieData`, but with a `Date` in `expires` as ISO text. `JSON.stringify` takes four times as long for a record
 * with a `Date` in it.
 */
export function writtenCookie(session: SessionRecord): SessionRecord | undefined {
  const cookie = cookieData(session)
  const expires = cookie?.expires
  const isDate = expires instanceof Date && !Number.isNaN(expires.getTime())
  return isDate ? { ...cookie, expires: isoTime(expires.getTime()) } : cookie
}

/**
 * The cookie that data without a cookie gets. It has no `maxAge`, so the data's own `expires` still sets the expiry.
 */
export const plainCookie: SessionRecord = { originalMaxAge: null, expires: null, httpOnly: true, path: '/' }

/** Returns the cookie's expiry in ms since 1970, or `null` if it has none. Throws if `expires` is not a date. */
export function cookieExpiry(session: SessionRecord): number | null {
  const expires = cookieOf(session)?.expires
  if (expires === undefined || expires === null || expires === false || expires === '') return null
  const ms = new Date(expires as Date | number | string).getTime()
  if (Number.isNaN(ms)) throw badArgument('session.cookie.expires', 'a valid date', expires)
  return ms
}

/**
 * Returns the cookie's `originalMaxAge` in ms, or `null` if it has none. Without one, touches do not move the cookie's
 * expiry.
 */
export function maxAgeOf(session: SessionRecord): number | null {
  const maxAge = cookieOf(session)?.originalMaxAge
  return typeof maxAge === 'number' ? maxAge : null
}

/** Whether the cookie has an expiry or a lifetime. */
export function saysExpiry(cookie: SessionRecord | null | undefined): boolean {
  return cookie?.expires != null || cookie?.originalMaxAge != null
}

/** In ms. express-session's touch computes `originalMaxAge` again from the clock, and can lose this much of it. */
export const maxAgeDrift = 100

/** Whether two values of `originalMaxAge` are equal, apart from `maxAgeDrift`. */
export function isSameAge(age: unknown, other: unknown): boolean {
  if (typeof age === 'number' && typeof other === 'number') return Math.abs(age - other) < maxAgeDrift
  return (age ?? null) === (other ?? null)
}

/** Whether two cookies are equal, apart from their expiry. */
export function isSameCookie(cookie: SessionRecord = {}, other: SessionRecord = {}): boolean {
  return (
    isSameAge(cookie.originalMaxAge, other.originalMaxAge) &&
    agreesWith(cookie, other) &&
    agreesWith(other, cookie)
  )
}

/** A value that is an object always counts as changed. The app may have changed the object in place. */
function agreesWith(cookie: SessionRecord, other: SessionRecord): boolean {
  for (const name in cookie) {
    if (name === 'expires' || name === 'originalMaxAge') continue
    const value = cookie[name]
    if (value !== other[name] || Object(value) === value) return false
  }
  return true
}

/** Returns the data with another cookie expiry, in ms since 1970. */
export function withCookieExpiry(data: SessionRecord, expires: number): SessionRecord {
  return { ...data, cookie: { ...cookieData(data), expires: isoTime(expires) } }
}
