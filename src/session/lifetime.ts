import { cookieExpiry, isSameAge, maxAgeOf, withCookieExpiry } from './cookie.ts'
import { expiryOf, forever, ownExpiry, type Ttl } from './expiry.ts'
import type { SessionRecord } from './record.ts'

/** How long sessions live, as the store's options say. */
export interface Lifetimes {
  /** In seconds, if neither cookie nor data says. */
  ttl: Ttl
  /** In ms since the creation; `null` for no limit. */
  absoluteTtl: number | null
  /** Touches move nothing. */
  disableTouch: boolean
}

/**
 * The property of a record that says when its session was created, in ms since 1970. Only the store writes it. A save takes it
 * from the record that was loaded, not from the session object. A merge and an update cannot change it. A session that
 * `regenerate` makes for the same user inherits it. Data that is copied with it can only make a session older.
 */
export const createdProperty = 'sessionCreated'

/**
 * When a session was created, in whole ms since 1970; `null` if its record does not say. No session was created in the
 * future: a record that says so was written by something else, and lives no longer than if it said nothing.
 */
export function createdOf(data: object): number | null {
  const created = (data as SessionRecord)[createdProperty] as number
  if (!Number.isFinite(created)) return null
  return Math.floor(Math.min(Math.max(created, 0), Date.now()))
}

/** As `createdOf`; `null` also if the record says a time in the future, which its next write puts right. */
export function startOf(data: object): number | null {
  const created = (data as SessionRecord)[createdProperty]
  return typeof created === 'number' && created > Date.now() ? null : createdOf(data)
}

/** The earliest of what is known. */
export function earliest(...times: (number | null | undefined)[]): number | null {
  const known = times.filter((time) => typeof time === 'number')
  return known.length > 0 ? Math.min(...known) : null
}

/** When a session ends at the latest, in ms since 1970. */
export function endOf({ absoluteTtl }: Pick<Lifetimes, 'absoluteTtl'>, created: number | null): number {
  return absoluteTtl === null || created === null ? Number.POSITIVE_INFINITY : created + absoluteTtl
}

/** If a session is past its absolute end. Redis may still have it, if something that knows of none has moved its TTL. */
export function isOver(access: Pick<Lifetimes, 'absoluteTtl'>, created: number | null): boolean {
  return endOf(access, created) <= Date.now()
}

/** Data as it is to be written, when its session began, and when it expires (ms since 1970). */
export interface Sealed {
  data: SessionRecord
  created: number | null
  expires: number
}

/** Seals data. With `absoluteTtl`, a session without a start starts now. */
export function sealed(
  lifetimes: Pick<Lifetimes, 'ttl' | 'absoluteTtl'>,
  data: SessionRecord,
  start: number | null,
): Sealed {
  if (lifetimes.absoluteTtl === null) return { data, created: start, expires: expiryOf(data, lifetimes.ttl) }
  const created = start ?? Date.now()
  const end = endOf(lifetimes, created)
  const capped = capData(data, created, end)
  return { data: capped, created, expires: Math.min(expiryOf(capped, lifetimes.ttl), end) }
}

/** The data with its creation time, and with a cookie and `expires` that go no further than `end` (ms since 1970). */
function capData(data: SessionRecord, created: number, end: number): SessionRecord {
  const capped: SessionRecord = { ...data, [createdProperty]: created }
  const cookieExpires = cookieExpiry(data)
  // If the cookie says when it ends, an app may mean anything by the name of `expires`.
  if (cookieExpires === null) {
    const own = ownExpiry(data)
    if (own !== null && own > end) capped.expires = new Date(end).toISOString()
    return capped
  }
  return cookieExpires > end ? withCookieExpiry(capped, end) : capped
}

/**
 * Until when the index lists a session that expires at `expires`: an eighth of its lifetime longer, so that touches need not move
 * the entry. `previous` stays if it still fits. If the app sets the expiry outright, the entry ends with it.
 */
export function listedUntil(
  data: SessionRecord,
  expires: number,
  end: number,
  previous: number | null,
): number {
  if (isFixed(data)) return expires
  const latest = Math.min(Math.floor(expires + lifetimeLeft(data, expires) / 8), end, forever)
  return previous !== null && previous >= expires && previous <= latest ? previous : latest
}

/**
 * In ms. Right after a touch it is the whole `originalMaxAge`, though the clock has gone on since. Else a touch or save in the same
 * millisecond would move the entry.
 */
function lifetimeLeft(data: SessionRecord, expires: number): number {
  const left = Math.max(expires - Date.now(), 0)
  const maxAge = maxAgeOf(data)
  return maxAge !== null && isSameAge(maxAge, left) ? maxAge : left
}

/** If nothing but the app moves the expiry: the session has one, and no `originalMaxAge` by which a touch would move it. */
export function isFixed(data: SessionRecord): boolean {
  return maxAgeOf(data) === null && (cookieExpiry(data) ?? ownExpiry(data)) !== null
}
