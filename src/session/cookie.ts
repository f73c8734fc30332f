/** What a session's cookie says about its expiry. */
import { badArgument } from './errors.ts'
import type { SessionRecord } from './record.ts'

/** The `cookie` of a session if it is an object, as express-session needs it. */
export function cookieOf(session: SessionRecord): SessionRecord | undefined {
  const { cookie } = session
  return typeof cookie === 'object' && cookie !== null ? (cookie as SessionRecord) : undefined
}

/** A copy of what a session's cookie says at this moment. */
export function cookieData(session: SessionRecord): SessionRecord | undefined {
  const cookie = cookieOf(session)
  return cookie && { ...(typeof cookie.toJSON === 'function' ? cookie.toJSON() : cookie) }
}

/** The cookie of data that has none: it has no `maxAge`, so that the data's own `expires` keeps ruling. */
export const plainCookie: SessionRecord = { originalMaxAge: null, expires: null, httpOnly: true, path: '/' }

/** When the cookie ends, in ms since 1970; `null` if it does not say. A cookie with a senseless `expires` throws. */
export function cookieExpiry(session: SessionRecord): number | null {
  const expires = cookieOf(session)?.expires
  if (expires === undefined || expires === null || expires === false || expires === '') return null
  const ms = new Date(expires as Date | number | string).getTime()
  if (Number.isNaN(ms)) throw badArgument('session.cookie.expires', 'a date', expires)
  return ms
}

/** The cookie's `originalMaxAge` in ms; `null` if it has none. Touches then do not move the cookie's expiry. */
export function maxAgeOf(session: SessionRecord): number | null {
  const maxAge = cookieOf(session)?.originalMaxAge
  return typeof maxAge === 'number' ? maxAge : null
}

/** If the cookie of data says when it expires, or how long it lives. */
export function saysExpiry(cookie: SessionRecord | null | undefined): boolean {
  return cookie?.expires != null || cookie?.originalMaxAge != null
}

/** In ms: what express-session's touch may take off `originalMaxAge`, which it computes anew from the clock. */
export const maxAgeDrift = 100

/** If two `originalMaxAge` are the same, apart from that drift. */
export function isSameAge(age: unknown, other: unknown): boolean {
  if (typeof age === 'number' && typeof other === 'number') return Math.abs(age - other) < maxAgeDrift
  return (age ?? null) === (other ?? null)
}

/** If two cookies say the same, apart from when they expire. */
export function isSameCookie(cookie: SessionRecord = {}, other: SessionRecord = {}): boolean {
  return (
    isSameAge(cookie.originalMaxAge, other.originalMaxAge) &&
    agreesWith(cookie, other) &&
    agreesWith(other, cookie)
  )
}

/** An object, which express-session never puts there, may have changed and still be the same object. */
function agreesWith(cookie: SessionRecord, other: SessionRecord): boolean {
  for (const name in cookie) {
    if (name === 'expires' || name === 'originalMaxAge') continue
    const value = cookie[name]
    if (value !== other[name] || Object(value) === value) return false
  }
  return true
}

/** Data whose cookie expires at another time (ms since 1970), and says the same otherwise. */
export function withCookieExpiry(data: SessionRecord, expires: number): SessionRecord {
  return { ...data, cookie: { ...cookieData(data), expires: new Date(expires).toISOString() } }
}
