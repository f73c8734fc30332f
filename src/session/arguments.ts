/** Checks the arguments of public calls. Each check throws a `TypeError` that names the argument. */
import { inspect, types } from 'node:util'
import { badArgument, ignoreRejection } from './errors.ts'

/** A user id: a string, a finite number, or an object that serializes to one, such as a MongoDB ObjectId. */
export type UserId = string | number | { toJSON(): string | number }

/** A session id: a non-empty string without lone surrogates, which UTF-8 cannot hold. */
export function checkSessionId(value: unknown, name = 'sessionId'): string {
  if (isName(value)) return value
  throw badArgument(name, 'a non-empty, well-formed string', value)
}

/** Returns the user id as a string. Two ids with the same string mean the same user. */
export function checkUserId(value: unknown, name = 'userId'): string {
  const userId = userIdOf(value)
  if (userId !== undefined) return userId
  throw badArgument(
    name,
    'a non-empty, well-formed string, a finite number or an object that serializes to one',
    value,
  )
}

/**
 * Returns the user id as a string, or `undefined` if the value is not a user id. An object is a user id if its
 * `toJSON()` returns a string or a number. If it has no `toJSON`, its own `toString()` counts instead.
 */
export function userIdOf(value: unknown): string | undefined {
  const id = typeof value === 'object' && value !== null ? serializedId(value) : value
  ignoreRejection(id)
  if (typeof id === 'number') return Number.isFinite(id) ? String(id) : undefined
  return isName(id) ? id : undefined
}

/** The default `toString` of arrays and plain objects does not identify them. A getter or a proxy may throw. */
function serializedId(value: object): unknown {
  try {
    const { toJSON } = value as { toJSON?: unknown }
    if (typeof toJSON === 'function') return toJSON.call(value)
    if (Array.isArray(value) || ArrayBuffer.isView(value)) return undefined
    const text = String(value)
    return text.startsWith('[object ') ? undefined : text
  } catch {
    return undefined
  }
}

/** Accepts any object that is neither an array nor a promise, such as session data or options. */
export function checkObject(value: unknown, name: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && !types.isPromise(value))
    return value as Record<string, unknown>
  throw badArgument(name, 'an object', value)
}

/**
 * Accepts an object that has only known properties. The error for an unknown property suggests the nearest known name.
 */
export function checkNames(value: unknown, known: readonly string[], what: string): Record<string, unknown> {
  const object = checkObject(value, what)
  for (const name of Object.keys(object)) {
    if (!known.includes(name)) throw unknownName(name, known, what)
  }
  return object
}

function unknownName(name: string, known: readonly string[], what: string): TypeError {
  const nearest = nearestOf(name, known)
  const hint = nearest ? `did you mean '${nearest}'?` : `known are ${known.join(', ')}`
  return new TypeError(`unknown property ${shownName(name)} in ${what}; ${hint}`)
}

const longestName = 50

function shownName(name: string): string {
  return inspect(name.length > longestName ? `${name.slice(0, longestName)}…` : name)
}

/** Returns the known name that needs the fewest edits, unless they are many for its length. */
function nearestOf(name: string, known: readonly string[]): string | undefined {
  if (name.length > longestName) return undefined
  const near = known
    .map((candidate) => ({ candidate, edits: editsBetween(name.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, edits }) => edits <= Math.max(1, candidate.length / 3))
    .sort((a, b) => a.edits - b.edits)
  return near[0]?.candidate
}

/** Counts the characters to insert, delete or replace (Levenshtein distance). */
function editsBetween(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, n) => n)
  for (const [n, letter] of [...from].entries()) {
    const next = [n + 1]
    for (const [m, other] of [...to].entries()) {
      const replaced = (row[m] as number) + (letter === other ? 0 : 1)
      next.push(Math.min(replaced, (row[m + 1] as number) + 1, (next[m] as number) + 1))
    }
    row = next
  }
  return row.at(-1) as number
}

/**
 * Copies the data that will be serialized. The copy reads a getter or a proxy only once, and calls `toJSON` only once.
 */
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
