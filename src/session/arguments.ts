import { badArgument } from './errors.ts'

/** A session id: a non-empty string that survives the way to Redis and back (no lone surrogates). */
export function checkSessionId(value: unknown, name = 'sessionId'): string {
  if (isName(value)) return value
  throw badArgument(name, 'a non-empty, well-formed string', value)
}

/** A user id as a string: numbers and strings name the same user when they look the same. */
export function checkUserId(value: unknown, name = 'userId'): string {
  if (typeof value === 'number' && Number.isFinite(value)) return String(value)
  if (isName(value)) return value
  throw badArgument(name, 'a non-empty, well-formed string or a finite number', value)
}

/** The user id that a value is, as a string; `undefined` if it is none. */
export function userIdOf(value: unknown): string | undefined {
  try {
    return checkUserId(value)
  } catch {
    return undefined
  }
}

/** Any object that is not an array: session data, options. */
export function checkObject(value: unknown, name: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>
  throw badArgument(name, 'an object', value)
}

/** A copy of the data that will be serialized: a getter or a proxy is read once, a `toJSON` asked once. */
export function plainData(value: unknown, name: string): Record<string, unknown> {
  const data = checkObject(value, name)
  const { toJSON } = data
  if (typeof toJSON !== 'function') return { ...data }
  const plain = { ...checkObject(toJSON.call(data), `${name}.toJSON()`) }
  if (typeof plain.toJSON === 'function') throw badArgument(`${name}.toJSON()`, 'data', plain)
  return plain
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.isWellFormed()
}
