/** Finds the owner of a session: by the option `userId`, or from the stored record. */
import { checkUserId, userIdOf } from './arguments.ts'
import { cookieOf } from './cookie.ts'
import { ignoreRejection } from './errors.ts'
import type { IndexNote } from './index-note.ts'
import type { SessionRecord } from './record.ts'

/** Returns the user id for session data. `''`, `false`, `null` and `undefined` mean that the session is anonymous. */
export type UserIdOption = (session: never) => unknown

/** `session.userId`, or else Passport's `session.passport.user` if that is a user id. */
export function defaultUserId(session: SessionRecord): unknown {
  return session.userId ?? passportUser(session)
}

function passportUser(session: SessionRecord): string | undefined {
  const { passport } = session as { passport?: { user?: unknown } | null }
  return userIdOf(passport?.user)
}

/**
 * Returns the user that the option names, or `null` for an anonymous session. Throws a `TypeError` for an invalid user
 * id.
 */
export function namedUser(userId: UserIdOption, session: object): string | null {
  const user = userId(session as never)
  return user === null || user === undefined || user === '' || user === false
    ? null
    : checkUserId(user, 'session.userId')
}

/** Same as `namedUser`, for a stored record. An invalid user id counts as anonymous there. */
export function namedInRecord(userId: UserIdOption, data: SessionRecord): string | null {
  try {
    return namedUser(userId, data)
  } catch {
    return null
  }
}

/**
 * Returns the user in session data as JSON, if it is an object that is not a user id. Otherwise returns `undefined`. A
 * user id with only its own `toString` leaves such an object in the record.
 */
export function lostIdIn(userId: UserIdOption, data: SessionRecord): string | undefined {
  try {
    const user = userId(data as never)
    ignoreRejection(user)
    return Object(user) === user && userIdOf(user) === undefined ? JSON.stringify(user) : undefined
  } catch {
    return undefined
  }
}

/** Whether two versions of a session's data name the same user. */
export function namesTheSame(userId: UserIdOption, data: SessionRecord, other: SessionRecord): boolean {
  return (
    namedInRecord(userId, data) === namedInRecord(userId, other) &&
    lostIdIn(userId, data) === lostIdIn(userId, other)
  )
}

/** The user whom everybody reads in a record, with or without the option `userId`. */
export function recordedUser(data: SessionRecord): string | null {
  const { passport } = data as { passport?: { user?: unknown } | null }
  return serializedId(data.userId ?? passport?.user)
}

function serializedId(value: unknown): string | null {
  const { toJSON } = Object(value) as { toJSON?: unknown }
  const json = typeof toJSON === 'function' ? toJSON.call(value) : value
  ignoreRejection(json)
  return typeof json === 'string' || typeof json === 'number' ? (userIdOf(json) ?? null) : null
}

/**
 * Returns the owner of a stored record. The note names the owner, or else confirms the user in the data. A record
 * without a note was written by another store or by the functions. The records of the functions have no cookie, and
 * name the owner in `userId`.
 */
export function storedOwner(
  userId: UserIdOption,
  data: SessionRecord,
  note: IndexNote | null,
): string | null {
  if (note?.user !== undefined) return note.user
  if (note) return recordedUser(data)
  return namedInRecord(userId, data) ?? (cookieOf(data) ? null : recordedUser(data))
}
