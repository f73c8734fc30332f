import { inspect } from 'node:util'

/** `updateSession` was asked to change a session that does not exist (any more). */
export class SessionNotFoundError extends Error {
  override readonly name = 'SessionNotFoundError'
  readonly code = 'SESSION_NOT_FOUND'
  constructor(readonly sessionId: string) {
    super(`there is no session ${show(sessionId)}`)
  }
}

/** A create or an update would have moved a session from one user to another; nothing was changed. */
export class SessionUserError extends Error {
  override readonly name = 'SessionUserError'
  readonly code = 'SESSION_USER'
  constructor(
    readonly sessionId: string,
    readonly userId: unknown,
  ) {
    super(
      `session ${show(sessionId)} belongs to another user than ${show(userId)}; a session never changes its user`,
    )
  }
}

/** With `maxUserSessions` and `onLimit: 'reject'`: the user has as many sessions as allowed. The sign-in was not written. */
export class SessionLimitError extends Error {
  override readonly name = 'SessionLimitError'
  readonly code = 'SESSION_LIMIT'
  constructor(
    readonly userId: string,
    readonly limit: number,
  ) {
    super(`user ${show(userId)} has ${limit} sessions, as many as allowed`)
  }
}

/**
 * What Redis holds under `key` is not what this package writes there: a record that cannot be parsed, one that is not
 * an object, or a value of another Redis type. `cause` is the parser's error where there is one.
 */
export class CorruptSessionError extends Error {
  override readonly name = 'CorruptSessionError'
  readonly code = 'SESSION_CORRUPT'
  constructor(
    readonly key: string,
    problem: string,
    cause?: unknown,
  ) {
    super(`${show(key)} in Redis ${problem}`, cause === undefined ? undefined : { cause })
  }
}

/** So many other writes came between that a write gave up; nothing was changed, and it is safe to try again. */
export class SessionConflictError extends Error {
  override readonly name = 'SessionConflictError'
  readonly code = 'SESSION_CONFLICT'
  constructor(
    readonly sessionId: string,
    attempts: number,
  ) {
    super(`session ${show(sessionId)} changed ${attempts} times while it was being written`)
  }
}

/**
 * A revocation was done on the master, but fewer replicas than asked for have said in time that they have it: should the master be
 * lost right now, it may be lost too. Nothing is undone, and it is safe to revoke again.
 */
export class NotReplicatedError extends Error {
  override readonly name = 'NotReplicatedError'
  readonly code = 'SESSION_NOT_REPLICATED'
  constructor(
    /** How many replicas have it. */
    readonly acknowledged: number,
    wanted: { count: number; timeout: number },
    /** What the call would have resolved to. */
    readonly result: unknown,
  ) {
    super(`revoked, but after ${wanted.timeout} ms on ${acknowledged} of ${wanted.count} replicas only`)
  }
}

/** A `TypeError` that names the argument and shows its value. */
export function badArgument(name: string, expected: string, value: unknown): TypeError {
  return new TypeError(`${name} must be ${expected}, got ${show(value)}`)
}

function show(value: unknown): string {
  const text = inspected(value)
  return text.length > 400 ? `${text.slice(0, 400)}…` : text
}

function inspected(value: unknown): string {
  try {
    return inspect(value, { depth: 1, breakLength: Number.POSITIVE_INFINITY, maxStringLength: 200 })
  } catch {
    return `a value of type ${typeof value} that cannot be shown`
  }
}
