import { cookieExpiry } from './cookie.ts'
import { badArgument } from './errors.ts'
import type { SessionRecord } from './record.ts'

const isoTimestamp =
  /^([+-]\d{6}|\d{4})-(\d\d)(-(\d\d)(T\d\d:\d\d(:\d\d([.,]\d+)?)?(Z|[+-]\d\d(:?\d\d)?))?)?$/

/**
 * The lifetime of a session if its cookie and data set none. In seconds, or a function of the session that returns
 * seconds.
 */
export type Ttl = number | ((session: never) => number)

/** The end of the year 9999. Redis refuses larger numbers that it would write with an exponent. */
export const forever = Date.UTC(10_000, 0) - 1

/**
 * Returns the expiry in ms since 1970. The cookie's expiry comes first, then the data's own `expires`, then `ttl` from
 * now.
 */
export function expiryOf(session: SessionRecord, ttl: Ttl): number {
  const expires = cookieExpiry(session) ?? ownExpiry(session) ?? Date.now() + lifetime(session, ttl)
  return Math.min(expires, forever)
}

/** Returns the data's own `expires` in ms since 1970. A `Date` counts as the string that its record will hold. */
export function ownExpiry({ expires }: SessionRecord): number | null {
  return dataExpiry(expires instanceof Date ? expires.toJSON() : expires)
}

/** Returns an ISO 8601 timestamp as ms since 1970. Throws a `TypeError` for any other value. */
export function checkTimestamp(value: unknown, name: string): number {
  const ms = dataExpiry(value)
  if (ms !== null) return ms
  throw badArgument(name, 'an ISO 8601 timestamp, with an offset or Z if it has a time', value)
}

/**
 * Returns ms since 1970, or `null` if the value is not an ISO 8601 timestamp. An app may use the name `expires` for
 * something else. A time without an offset is refused, because it means another instant on another machine. A date
 * without a time means its first moment in UTC.
 */
export function dataExpiry(expires: unknown): number | null {
  if (typeof expires !== 'string') return null
  const date = isoTimestamp.exec(expires)
  if (!date || Number(date[4] ?? 1) > daysIn(Number(date[1]), Number(date[2]))) return null
  const ms = Date.parse(expires)
  return Number.isNaN(ms) ? null : ms
}

/**
 * `Date.parse` accepts 30 February as 1 or 2 March, so this function checks the day. The calendar repeats every 400
 * years, so it asks a year near 2000. In the last year of a `Date`, a month can end after the last moment that `Date`
 * can hold.
 */
function daysIn(year: number, month: number): number {
  return new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate()
}

function lifetime(session: SessionRecord, ttl: Ttl): number {
  const seconds = typeof ttl === 'function' ? ttl(session as never) : ttl
  if (!Number.isFinite(seconds)) throw badArgument('ttl(session)', 'a number of seconds', seconds)
  return Math.round(seconds * 1000)
}
