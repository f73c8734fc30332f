/** Whose a session is: by the option `userId`, and by what a stored record says for itself. */
import { checkUserId, userIdOf } from './arguments.ts'
import { cookieOf } from './cookie.ts'
import type { IndexNote } from './index-note.ts'
import type { SessionRecord } from './record.ts'

/** Tells whose a session is, from its data: a user id; `''`, `false`, `null` or `undefined` for nobody's. */
export type UserIdOption = (session: never) => unknown

/** `session.userId`, else Passport's `session.passport.user` if that is a user id. */
export function defaultUserId(session: SessionRecord): unknown {
  return session.userId ?? passportUser(session)
}

function passportUser(session: SessionRecord): string | undefined {
  const { passport } = session as { passport?: { user?: unknown } | null }
  return userIdOf(passport?.user)
}

/** The user that the option names; `null` for nobody's. A senseless user id is a `TypeError`. */
export function namedUser(userId: UserIdOption, session: object): string | null {
  const user = userId(session as never)
  return user === null || user === undefined || user === '' || user === false
    ? null
    : checkUserId(user, 'session.userId')
}

/** As `namedUser` for a record that is already stored: if its user id is senseless, it names nobody. */
export function namedInRecord(userId: UserIdOption, data: SessionRecord): string | null {
  try {
    return namedUser(userId, data)
  } catch {
    return null
  }
}

/**
 * What session data says of its user, as JSON, if that is an object and no user id; else `undefined`. An id that has nothing but a
 * `toString` of its own leaves such an object in the record.
 */
export function lostIdIn(userId: UserIdOption, data: SessionRecord): string | undefined {
  try {
    const user = userId(data as never)
    return Object(user) === user && userIdOf(user) === undefined ? JSON.stringify(user) : undefined
  } catch {
    return undefined
  }
}

/** If two states of a session say the same of its user. */
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
  return typeof json === 'string' || typeof json === 'number' ? (userIdOf(json) ?? null) : null
}

/**
 * Whose a stored record is: the note says so, or the data that the note is about. A record without a note was written by another
 * store, or by the functions, whose records have no cookie and name their user in `userId`.
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
