import { cookieExpiry, isSameAge, maxAgeOf, withCookieExpiry } from './cookie.ts'
import { expiryOf, forever, ownExpiry, type Ttl } from './expiry.ts'
import { isoTime } from './iso-time.ts'
import type { SessionRecord } from './record.ts'

/** The store's options that decide how long sessions live. */
export interface Lifetimes {
  /** In seconds. It applies if neither the cookie nor the data sets an expiry. */
  ttl: Ttl
  /** In ms since the creation, or `null` for no limit. */
  absoluteTtl: number | null
  /** If true, touches do not move the expiry. */
  disableTouch: boolean
}

/**
 * The property of a record that holds the session's creation time, in ms since 1970. Only the store writes it. A save
 * takes it from the loaded record, not from the session object. A merge and an update cannot change it. A session that
 * `regenerate` makes for the same user inherits it. An app that copies it to another session can only make that session
 * older.
 */
export const createdProperty = 'sessionCreated'

/**
 * Returns the creation time in whole ms since 1970, or `null` if the record has none. No session was created in the
 * future, so a later time counts as now. Such a record was written by another program, and gets no longer life from it.
 */
export function createdOf(data: object): number | null {
  const created = (data as SessionRecord)[createdProperty] as number
  if (!Number.isFinite(created)) return null
  return Math.floor(Math.min(Math.max(created, 0), Date.now()))
}

/** Same as `createdOf`, but also `null` for a time in the future. The next write then corrects the record. */
export function startOf(data: object): number | null {
  const created = (data as SessionRecord)[createdProperty]
  return typeof created === 'number' && created > Date.now() ? null : createdOf(data)
}

/** Returns the earliest of the known times. */
export function earliest(...times: (number | null | undefined)[]): number | null {
  const known = times.filter((time) => typeof time === 'number')
  return known.length > 0 ? Math.min(...known) : null
}

/** Returns the latest possible end of a session, in ms since 1970. */
export function endOf({ absoluteTtl }: Pick<Lifetimes, 'absoluteTtl'>, created: number | null): number {
  return absoluteTtl === null || created === null ? Number.POSITIVE_INFINITY : created + absoluteTtl
}

/** Session data that is ready to be written, with its creation time and its expiry (both in ms since 1970). */
export interface Sealed {
  data: SessionRecord
  created: number | null
  expires: number
}

/** Prepares data for a write. With `absoluteTtl`, a session without a creation time gets the current time. */
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

/**
 * Returns when a session ends whose key has no TTL, in ms since 1970. connect-redis writes such keys with `disableTTL`.
 * Its touches do not reach Redis, so the recorded cookie may say a time long ago, and the session may be in use. If
 * touches move the session, it gets the cookie's `maxAge` from now, as its next touch would give it.
 */
export function expiryWithoutTtl(
  lifetimes: Lifetimes,
  { data, until }: { data: SessionRecord; until: number | null },
): number {
  if (until !== null) return until
  const { created, expires } = sealed(lifetimes, data, createdOf(data))
  const maxAge = maxAgeOf(data)
  if (maxAge === null || (lifetimes.disableTouch && expires > Date.now())) return expires
  return Math.floor(Math.min(Date.now() + maxAge, endOf(lifetimes, created), forever))
}

/**
 * Adds the creation time to the data. The cookie's expiry and `expires` are moved back to `end` (ms since 1970) if they
 * are later.
 */
function capData(data: SessionRecord, created: number, end: number): SessionRecord {
  const capped: SessionRecord = { ...data, [createdProperty]: created }
  const cookieExpires = cookieExpiry(data)
  // If the cookie has an expiry, the app may use the name `expires` for something else.
  if (cookieExpires === null) {
    const own = ownExpiry(data)
    if (own !== null && own > end) capped.expires = isoTime(end)
    return capped
  }
  return cookieExpires > end ? withCookieExpiry(capped, end) : capped
}

/**
 * Returns the time until which the index lists a session, in ms since 1970. It is an eighth of the lifetime after
 * `expires`. So touches need not move the entry. `previous` stays if it still fits. If the app sets the expiry
 * outright, the entry ends at the expiry.
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
 * In ms. Right after a touch this is the whole `originalMaxAge`, although some time has passed since. Otherwise a touch
 * or save in the same millisecond would move the entry.
 */
function lifetimeLeft(data: SessionRecord, expires: number): number {
  const left = Math.max(expires - Date.now(), 0)
  const maxAge = maxAgeOf(data)
  return maxAge !== null && isSameAge(maxAge, left) ? maxAge : left
}

/**
 * Whether only the app moves the expiry. Such a session has an expiry, but no `originalMaxAge` for a touch to apply.
 */
export function isFixed(data: SessionRecord): boolean {
  return maxAgeOf(data) === null && (cookieExpiry(data) ?? ownExpiry(data)) !== null
}
