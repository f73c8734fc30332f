import type { SessionRecord } from '../redis/records.ts'
import { checkUserId } from './arguments.ts'

/** Tells whose a session is, from its data: a user id, or `null` or `undefined` for nobody's. */
export type UserIdOption = (session: never) => string | number | null | undefined

/** `session.userId`, else Passport's `session.passport.user` where that is a string or a number. */
export function defaultUserId(session: SessionRecord): string | number | null | undefined {
  return (session.userId ?? passportUser(session)) as string | number | null | undefined
}

export function passportUser(session: SessionRecord): string | number | undefined {
  const { passport } = session as { passport?: { user?: unknown } | null }
  const user = passport?.user
  return typeof user === 'string' || typeof user === 'number' ? user : undefined
}

/** The owner by a `userId` option, or `null`; a senseless user id is a `TypeError`. */
export function strictOwner(userId: UserIdOption, session: object): string | null {
  const owner = userId(session as never)
  return owner === null || owner === undefined ? null : checkUserId(owner, 'session.userId')
}

/** As `strictOwner`, for a record that is already stored: one whose user id is senseless is nobody's. */
export function lenientOwner(userId: UserIdOption, session: object): string | null {
  try {
    return strictOwner(userId, session)
  } catch {
    return null
  }
}

/** The `userId` of a record that the functions made; `undefined` where it has none, and only an index can tell. */
export function recordedOwner({ userId }: SessionRecord): string | undefined {
  return typeof userId === 'string' || typeof userId === 'number' ? String(userId) : undefined
}
