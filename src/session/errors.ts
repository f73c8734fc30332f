import { inspect, types } from 'node:util'
import { handleOf } from './handle.ts'

/** `updateSession` rejects with this error if the session does not exist. */
export class SessionNotFoundError extends Error {
  override readonly name = 'SessionNotFoundError'
  readonly code = 'SESSION_NOT_FOUND'
  /** base64url SHA-256 of the session id. */
  readonly handle: string
  constructor(sessionId: string) {
    super(`there is no session with the handle ${handleOf(sessionId)}`)
    this.handle = handleOf(sessionId)
  }
}

/** A create or an update would have moved a session from one user to another. Nothing was changed. */
export class SessionUserError extends Error {
  override readonly name = 'SessionUserError'
  readonly code = 'SESSION_USER'
  /** base64url SHA-256 of the session id. It is `null` if the call was about all sessions of a user. */
  readonly handle: string | null
  constructor(
    sessionId: string | null,
    /** The user that does not own the session. */
    readonly userId: unknown,
  ) {
    const handle = sessionId === null ? null : handleOf(sessionId)
    const which = handle === null ? 'the sessions do' : `the session with the handle ${handle} does`
    super(`${which} not belong to ${shownUser(userId)}; a session never changes its user`)
    this.handle = handle
  }
}

/**
 * The user has as many sessions as `maxUserSessions` allows, and `onLimit` is `'reject'`. The sign-in was not written.
 */
export class SessionLimitError extends Error {
  override readonly name = 'SessionLimitError'
  readonly code = 'SESSION_LIMIT'
  constructor(
    readonly userId: string,
    readonly limit: number,
  ) {
    super(`user ${shownUser(userId)} has ${limit} sessions, as many as allowed`)
  }
}

/**
 * The value that Redis holds under `key` is not session data. The record cannot be parsed or is not an object, or the
 * value is of another Redis type. `cause` is the error of the app's own serializer, if there is one. The message of a
 * `SyntaxError` of `JSON.parse` quotes the record, so `cause` then has another message.
 */
export class CorruptSessionError extends Error {
  override readonly name = 'CorruptSessionError'
  readonly code = 'SESSION_CORRUPT'
  constructor(
    readonly key: string,
    problem: string,
    cause?: unknown,
  ) {
    super(`${inspect(key)} in Redis ${problem}`, cause === undefined ? undefined : { cause: unquoted(cause) })
  }
}

/**
 * A write gave up after too many attempts, because other writes kept changing the session. Nothing was changed, and the
 * call can be repeated safely.
 */
export class SessionConflictError extends Error {
  override readonly name = 'SessionConflictError'
  readonly code = 'SESSION_CONFLICT'
  /** base64url SHA-256 of the session id. */
  readonly handle: string
  constructor(sessionId: string, attempts: number) {
    const handle = handleOf(sessionId)
    super(`the session with the handle ${handle} changed ${attempts} times while it was being written`)
    this.handle = handle
  }
}

/**
 * A revocation was done on the master, but too few replicas confirmed it in time. If the master is lost right now, the
 * revocation may be lost too. Nothing is undone, and the call can be repeated safely.
 */
export class NotReplicatedError extends Error {
  override readonly name = 'NotReplicatedError'
  readonly code = 'SESSION_NOT_REPLICATED'
  constructor(
    /** How many replicas confirmed the revocation. */
    readonly acknowledged: number,
    wanted: { count: number; timeout: number },
    /** The value that the call would have resolved to. */
    readonly result: unknown,
  ) {
    super(`revoked, but after ${wanted.timeout} ms on ${acknowledged} of ${wanted.count} replicas only`)
  }
}

/**
 * An app may load the package twice, as an ES module and as CommonJS. An error of one copy is also an instance of the
 * class with the same name in the other copy.
 */
function isInstance(this: NewableFunction, value: unknown): boolean {
  if (Function.prototype[Symbol.hasInstance].call(this, value)) return true
  const { name, code } = Object(value) as { name?: unknown; code?: unknown }
  return value instanceof Error && name === this.name && String(code).startsWith('SESSION_')
}

for (const errorClass of [
  SessionNotFoundError,
  SessionUserError,
  SessionLimitError,
  CorruptSessionError,
  SessionConflictError,
  NotReplicatedError,
]) {
  Object.defineProperty(errorClass, Symbol.hasInstance, { value: isInstance })
}

/** Makes a `TypeError` that names the argument. Its message tells the kind of the value, and never shows the value. */
export function badArgument(name: string, expected: string, value: unknown): TypeError {
  ignoreRejection(value)
  return new TypeError(`${name} must be ${expected}, got ${kindOf(value)}`)
}

/**
 * An app may pass an asynchronous function where its result must be a plain value. The call is refused. If the promise
 * also rejects, that must not end the process.
 */
export function ignoreRejection(value: unknown): void {
  if (types.isPromise(value)) value.catch(() => {})
}

/**
 * Describes the kind of a value in words. Strings and objects may hold passwords, tokens or session data. So this
 * function tells only the length of a string, and only the class of an object.
 */
export function kindOf(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return value === '' ? 'an empty string' : `a string of ${value.length} characters`
    case 'object':
      return value === null ? 'null' : kindOfObject(value)
    case 'undefined':
    case 'number':
    case 'boolean':
      return String(value)
    default:
      return `a ${typeof value}`
  }
}

/** A getter or a proxy may throw. */
function kindOfObject(value: object): string {
  try {
    if (Array.isArray(value)) return 'an array'
    if (value instanceof Promise) return 'a promise'
    const { name } = Object.getPrototypeOf(value)?.constructor ?? {}
    return isClassName(name) ? `an object of class ${name}` : 'an object'
  } catch {
    return 'an object'
  }
}

function isClassName(name: unknown): name is string {
  return typeof name === 'string' && name !== 'Object' && /^[\w$]{1,50}$/.test(name)
}

/** User ids are not secret. */
function shownUser(userId: unknown): string {
  const isShort = typeof userId === 'string' && userId.length <= 200
  return isShort ? inspect(userId) : kindOf(userId)
}

function unquoted(cause: unknown): unknown {
  return cause instanceof SyntaxError ? new SyntaxError('the record is not valid JSON') : cause
}

/**
 * express-session takes any error with the code `ENOENT` for a missing session. A real failure can have that code too,
 * for example if the socket file is missing. Such an error gets another code, and keeps its class and its message. In
 * test runners, errors of Node may not be instances of `Error`.
 */
export function notMissing(error: unknown): unknown {
  if (typeof error !== 'object' || error === null || (error as { code?: unknown }).code !== 'ENOENT')
    return error
  const properties = {
    ...Object.getOwnPropertyDescriptors(error),
    code: { value: 'SESSION_STORE_FAILED', enumerable: true },
  }
  return Object.defineProperties(Object.create(Object.getPrototypeOf(error)), properties)
}
