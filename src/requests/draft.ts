/** Prepares a write from a session object, or from merged data. */
import type { Access } from '../redis/access.ts'
import { encode } from '../redis/stored-session.ts'
import { plainData } from '../session/arguments.ts'
import {
  cookieData,
  cookieExpiry,
  cookieOf,
  isSameAge,
  maxAgeDrift,
  maxAgeOf,
  saysExpiry,
  writtenCookie,
} from '../session/cookie.ts'
import { withoutNote } from '../session/index-note.ts'
import { isoTime } from '../session/iso-time.ts'
import { endOf, isFixed, listedUntil, sealed } from '../session/lifetime.ts'
import type { SessionRecord } from '../session/record.ts'
import { type Loaded, type Version, withoutId } from './versions.ts'

/** A session that is ready to be written. */
export interface Draft {
  /** The version that the session object will have after this save. */
  version: Version
  /** When the session ends, in ms since 1970. */
  expires: number
  /** Whether express-session's touch moved the cookie's expiry. If not, the app may have set the expiry itself. */
  isTouched: boolean
}

/** The owner of the session, and what its record says so far. */
type Basis = Pick<Version, 'owner' | 'named' | 'lostId' | 'created'> & { until: number | null }

/**
 * Copies a session's data. The copy has a plain cookie, and also the properties that the session object does not hold.
 */
export function dataOf(session: SessionRecord, { sessionId, unheld, showsId }: Loaded): SessionRecord {
  const own = plainData(session, 'session')
  const plain = showsId && own.id === sessionId ? withoutId(own) : own
  const cookie = writtenCookie(plain) ?? hiddenCookie(session)
  if (!cookie) return { ...unheld, ...plain }
  return withoutNote({ ...unheld, ...plain, cookie })
}

/**
 * Returns the cookie that `get` added to data without one, if the app has given it an expiry. Then it is part of the
 * data.
 */
function hiddenCookie(session: SessionRecord): SessionRecord | undefined {
  const isHidden = Object.getOwnPropertyDescriptor(session, 'cookie')?.enumerable === false
  const cookie = isHidden ? cookieData(session) : undefined
  return saysExpiry(cookie) ? cookie : undefined
}

/**
 * Drafts a write of data that was made from `base`. A touch moves the cookie when a response begins, and the save may
 * come much later. So if only touches have moved the cookie, the lifetime counts from the save.
 */
export function draftOf(
  access: Access,
  data: SessionRecord,
  base: Version | null,
  basis: Basis,
): Draft | Promise<Draft> {
  const said = cookieExpiry(data)
  const maxAge = base && touchedAge(data, base)
  if (maxAge === null)
    return sealDraft(access, data, basis, { said, rolls: rollsBy(data, basis), isTouched: false })
  const expires = isoTime(Date.now() + maxAge)
  const moved = { ...data, cookie: { ...cookieOf(data), originalMaxAge: maxAge, expires } }
  return sealDraft(access, moved, basis, { said, rolls: true, isTouched: true })
}

/**
 * Returns the `originalMaxAge` by which touches have moved the cookie since `base`, or `null` if the app has moved it.
 */
export function touchedAge(data: SessionRecord, base: Version): number | null {
  const expires = cookieExpiry(data)
  const maxAge = base.cookie?.originalMaxAge
  if (!base.rolls || typeof maxAge !== 'number' || expires === null || base.cookieExpires === null)
    return null
  const isWithin = expires >= base.cookieExpires - maxAgeDrift && expires <= Date.now() + maxAge + maxAgeDrift
  return isWithin && isSameAge(maxAgeOf(data), maxAge) ? maxAge : null
}

/** An expiry that the app set outright stays until a touch moves it. */
function rollsBy(data: SessionRecord, { until }: Basis): boolean {
  const expires = cookieExpiry(data)
  return !isFixed(data) && (expires === null || expires !== until)
}

function sealDraft(
  access: Access,
  given: SessionRecord,
  { owner, named, lostId, created: start, until: previous }: Basis,
  { said, rolls, isTouched }: { said: number | null; rolls: boolean; isTouched: boolean },
): Draft | Promise<Draft> {
  const { data, created, expires } = sealed(access, given, start)
  const end = endOf(access, created)
  const listed = rolls ? listedUntil(data, expires, end, previous) : expires
  const entry = owner === null ? null : { owner, until: listed }
  const record = encode(access, data, entry)
  const draft = (raw: string): Draft => ({
    version: {
      raw,
      owner,
      named,
      lostId,
      until: entry?.until ?? null,
      created,
      cookie: cookieData(data),
      cookieExpires: said,
      rolls,
    },
    expires,
    isTouched,
  })
  return typeof record === 'string' ? draft(record) : record.then(draft)
}
