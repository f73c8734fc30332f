/** Three-way merge of session data by top-level property. */
import { isDeepStrictEqual } from 'node:util'
import { cookieOf, isSameAge, plainCookie } from '../session/cookie.ts'
import type { SessionRecord } from '../session/record.ts'

/**
 * Merges `mine` and `stored`, which were both made from `base`.
 *
 * - If only one side changed, added or deleted a property, the result follows that side.
 * - If both sides changed a property, the result follows `mine`, the later save. A deletion is a change.
 * - The properties of `cookie` merge in the same way, but `expires` follows a changed `originalMaxAge`.
 * - A session of `createSession` has no cookie in `base`. Then both sides got the same cookie when they were loaded.
 */
export function mergeSessions(
  base: SessionRecord,
  mine: SessionRecord,
  stored: SessionRecord,
): SessionRecord {
  const merged = mergeProperties(base, mine, stored)
  const [my, their] = [cookieOf(mine), cookieOf(stored)]
  if (my && their) merged.cookie = mergeCookies(cookieOf(base) ?? plainCookie, my, their)
  return merged
}

/**
 * A touch moves `expires` by the `originalMaxAge` that it knows. If only `stored` changed that, a touch of `mine` used
 * the old value.
 */
function mergeCookies(base: SessionRecord, mine: SessionRecord, stored: SessionRecord): SessionRecord {
  const merged = mergeProperties(base, mine, stored, isSameInCookie)
  const hasAgeOfBase = (cookie: SessionRecord) => isUnchanged('originalMaxAge', base, cookie, isSameInCookie)
  const isTouchedByOld =
    typeof mine.originalMaxAge === 'number' && hasAgeOfBase(mine) && !hasAgeOfBase(stored)
  return isTouchedByOld ? { ...merged, expires: stored.expires } : merged
}

/**
 * Returns the common ancestor of `stored` and the next save, after the answers to `attempts` were lost, oldest first. They
 * are saves of one object that was made from `base`. A property with the same value as in `base` was not written, or was
 * changed back. Any other property descends from the last attempt that wrote this value, or else from the last one that
 * changed it.
 */
export function ancestorOf(
  base: SessionRecord,
  attempts: readonly SessionRecord[],
  stored: SessionRecord,
): SessionRecord {
  const names = new Set([base, ...attempts].flatMap(Object.keys))
  const latestFirst = [...attempts].reverse()
  return pick(names, (name) => {
    if (isUnchanged(name, base, stored)) return base
    const writer = latestFirst.find((attempt) => isUnchanged(name, attempt, stored))
    return writer ?? latestFirst.find((attempt) => !isUnchanged(name, base, attempt)) ?? base
  })
}

type IsSame = (name: string, value: unknown, other: unknown) => boolean

function mergeProperties(
  base: SessionRecord,
  mine: SessionRecord,
  stored: SessionRecord,
  isSame: IsSame = isEqual,
): SessionRecord {
  const names = new Set([...Object.keys(mine), ...Object.keys(stored)])
  return pick(names, (name) => (isUnchanged(name, base, mine, isSame) ? stored : mine))
}

/** `fromEntries` defines properties, so a session property named `__proto__` stays a plain property. */
function pick(names: Set<string>, winnerOf: (name: string) => SessionRecord): SessionRecord {
  const winners = [...names].map((name) => [name, winnerOf(name)] as const)
  return Object.fromEntries(
    winners
      .filter(([name, winner]) => Object.hasOwn(winner, name))
      .map(([name, winner]) => [name, winner[name]]),
  )
}

function isUnchanged(
  name: string,
  base: SessionRecord,
  other: SessionRecord,
  isSame: IsSame = isEqual,
): boolean {
  return Object.hasOwn(base, name) === Object.hasOwn(other, name) && isSame(name, base[name], other[name])
}

function isSameInCookie(name: string, value: unknown, other: unknown): boolean {
  return name === 'originalMaxAge' ? isSameAge(value, other) : isEqual(name, value, other)
}

/** Deeply nested data cannot be compared directly. JSON could serialize it at the last save, so JSON can compare it. */
function isEqual(_name: string, value: unknown, other: unknown): boolean {
  try {
    return isDeepStrictEqual(value, other)
  } catch {
    return JSON.stringify(value) === JSON.stringify(other)
  }
}
