import { cookieExpiry } from './cookie.ts'
import { badArgument } from './errors.ts'
import type { SessionRecord } from './record.ts'

const isoTimestamp =
  /^([+-]\d{6}|\d{4})-(\d\d)(-(\d\d)(T\d\d:\d\d(:\d\d([.,]\d+)?)?(Z|[+-]\d\d(:?\d\d)?))?)?$/

/** How long a session lives if neither its cookie nor its data says: seconds, or a function of the session. */
export type Ttl = number | ((session: never) => number)

/** The end of the year 9999: Redis takes no number that it would write with an exponent. */
export const forever = Date.UTC(10_000, 0) - 1

/** The expiry of a session in ms since 1970: its cookie's, else its own `expires`, else `ttl` from now. */
export function expiryOf(session: SessionRecord, ttl: Ttl): number {
  const expires = cookieExpiry(session) ?? ownExpiry(session) ?? Date.now() + lifetime(session, ttl)
  return Math.min(expires, forever)
}

/** What `expires` says of the session, in ms since 1970; a `Date` says what its record will say. */
export function ownExpiry({ expires }: SessionRecord): number | null {
  return dataExpiry(expires instanceof Date ? expires.toJSON() : expires)
}

/** An ISO 8601 timestamp as ms since 1970; throws a `TypeError` on anything else. */
export function checkTimestamp(value: unknown, name: string): number {
  const ms = dataExpiry(value)
  if (ms !== null) return ms
  throw badArgument(name, 'an ISO 8601 timestamp, with an offset or Z if it has a time', value)
}

/**
 * ms since 1970; `null` if the value is no ISO 8601 timestamp, for which an app may use the name `expires` too. A time without an
 * offset is none: it means another instant on another machine. A date alone is its first moment in UTC.
 */
export function dataExpiry(expires: unknown): number | null {
  if (typeof expires !== 'string') return null
  const date = isoTimestamp.exec(expires)
  if (!date || Number(date[4] ?? 1) > daysIn(Number(date[1]), Number(date[2]))) return null
  const ms = Date.parse(expires)
  return Number.isNaN(ms) ? null : ms
}

/**
 * What `Date.parse` does not ask, which takes 30 February for 1 or 2 March; it refuses what is no month, and no day of any. Asked of
 * a year in which the calendar is the same: the month of the last moment of a `Date` ends after it.
 */
function daysIn(year: number, month: number): number {
  return new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate()
}

function lifetime(session: SessionRecord, ttl: Ttl): number {
  const seconds = typeof ttl === 'function' ? ttl(session as never) : ttl
  if (!Number.isFinite(seconds)) throw badArgument('ttl(session)', 'a number of seconds', seconds)
  return Math.round(seconds * 1000)
}
