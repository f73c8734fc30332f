/** Makes of a session object, or of merged data, what is to be written. */
import { type Access, encode } from '../redis/access.ts'
import { plainData } from '../session/arguments.ts'
import {
  cookieData,
  cookieExpiry,
  cookieOf,
  isSameAge,
  maxAgeDrift,
  maxAgeOf,
  saysExpiry,
} from '../session/cookie.ts'
import { withoutNote } from '../session/index-note.ts'
import { endOf, isFixed, listedUntil, sealed } from '../session/lifetime.ts'
import type { SessionRecord } from '../session/record.ts'
import type { Version } from './versions.ts'

/** A session as it is to be written. */
export interface Draft {
  /** What the session object says, for its next save. */
  version: Version
  /** When the session ends, in ms since 1970. */
  expires: number
  /** If its expiry moved as a touch moves it, and not because the app set another one. */
  isTouched: boolean
}

/** Whose the session is, and what its record says so far. */
export type Basis = Pick<Version, 'owner' | 'named' | 'lostId' | 'created'> & { until: number | null }

/** A copy of a session's data, with a plain cookie and with what the session object could not hold. */
export function dataOf(session: SessionRecord, unheld: SessionRecord | undefined): SessionRecord {
  const plain = plainData(session, 'session')
  const cookie = cookieData(plain) ?? hiddenCookie(session)
  if (!cookie) return { ...unheld, ...plain }
  return withoutNote({ ...unheld, ...plain, cookie })
}

/** The cookie that `get` gave data without one. It is part of the data as soon as it says when it expires. */
function hiddenCookie(session: SessionRecord): SessionRecord | undefined {
  const isHidden = Object.getOwnPropertyDescriptor(session, 'cookie')?.enumerable === false
  const cookie = isHidden ? cookieData(session) : undefined
  return saysExpiry(cookie) ? cookie : undefined
}

/**
 * The draft of data that was made from `base`. A touch moves the cookie when an answer begins, and the save may come much later:
 * so a save lets the session live as long from now, if nothing but touches has moved the cookie.
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
  const expires = new Date(Date.now() + maxAge).toISOString()
  const moved = { ...data, cookie: { ...cookieOf(data), originalMaxAge: maxAge, expires } }
  return sealDraft(access, moved, basis, { said, rolls: true, isTouched: true })
}

/** The `originalMaxAge` by which touches have moved the cookie since `base`; `null` if something else has. */
export function touchedAge(data: SessionRecord, base: Version): number | null {
  const expires = cookieExpiry(data)
  const maxAge = base.cookie?.originalMaxAge
  if (!base.rolls || typeof maxAge !== 'number' || expires === null || base.cookieExpires === null)
    return null
  const isWithin = expires >= base.cookieExpires - maxAgeDrift && expires <= Date.now() + maxAge + maxAgeDrift
  return isWithin && isSameAge(maxAgeOf(data), maxAge) ? maxAge : null
}

/** An expiry that the app set outright stays so until a touch moves it. */
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
  const until = owner === null ? null : listed
  const record = encode(access, data, owner, until)
  const draft = (raw: string): Draft => ({
    version: {
      raw,
      owner,
      named,
      lostId,
      until,
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
