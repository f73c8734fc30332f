/** Checks of what callers hand in. Each throws a `TypeError` that names the argument. */
import { inspect } from 'node:util'
import { badArgument } from './errors.ts'

/** A user id: a string, a finite number, or an object that serializes to one, such as a MongoDB ObjectId. */
export type UserId = string | number | { toJSON(): string | number }

/** A session id: a non-empty string that survives the way to Redis and back (no lone surrogates). */
export function checkSessionId(value: unknown, name = 'sessionId'): string {
  if (isName(value)) return value
  throw badArgument(name, 'a non-empty, well-formed string', value)
}

/** A user id as a string. Two ids that read the same name the same user. */
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
 * The string of a user id; `undefined` if the value is none. An object is a user id if its `toJSON()` gives a string or a number,
 * or its own `toString()` if it has no `toJSON`.
 */
export function userIdOf(value: unknown): string | undefined {
  const id = typeof value === 'object' && value !== null ? serializedId(value) : value
  if (typeof id === 'number') return Number.isFinite(id) ? String(id) : undefined
  return isName(id) ? id : undefined
}

/** Arrays and plain objects have a `toString` that tells nothing of them; a getter or a proxy may throw. */
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

/** Any object that is not an array: session data, options. */
export function checkObject(value: unknown, name: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>
  throw badArgument(name, 'an object', value)
}

/** An object that has no other properties than the known ones. Of an unknown one it says which was probably meant. */
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

/** The known name that takes the fewest edits, if they are few for its length. */
function nearestOf(name: string, known: readonly string[]): string | undefined {
  if (name.length > longestName) return undefined
  const near = known
    .map((candidate) => ({ candidate, edits: editsBetween(name.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, edits }) => edits <= Math.max(1, candidate.length / 3))
    .sort((a, b) => a.edits - b.edits)
  return near[0]?.candidate
}

/** How many characters to insert, delete or replace. */
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
