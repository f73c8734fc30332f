/** Three-way merge of session data by top-level property. */
import { isDeepStrictEqual } from 'node:util'
import { cookieOf, isSameAge, plainCookie } from '../session/cookie.ts'
import type { SessionRecord } from '../session/record.ts'

/**
 * `mine` and `stored` were both made from `base`.
 *
 * - A property that only one of them changed, added or deleted is as that one left it.
 * - A property that both changed is as `mine`, the later save, has it. A deletion is a change.
 * - The properties of `cookie` merge in the same way, but `expires` goes with a changed `originalMaxAge`. If `base` has no cookie,
 *   because `createSession` made it, both were given the same one when they were loaded.
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

/** A touch moves `expires` by the `originalMaxAge` that it knows. If only `stored` changed that, a touch of `mine` knew the old one. */
function mergeCookies(base: SessionRecord, mine: SessionRecord, stored: SessionRecord): SessionRecord {
  const merged = mergeProperties(base, mine, stored, isSameInCookie)
  const hasAgeOfBase = (cookie: SessionRecord) => isUnchanged('originalMaxAge', base, cookie, isSameInCookie)
  const isTouchedByOld =
    typeof mine.originalMaxAge === 'number' && hasAgeOfBase(mine) && !hasAgeOfBase(stored)
  return isTouchedByOld ? { ...merged, expires: stored.expires } : merged
}

/**
 * What `stored` and the next save both descend from, if the answer to `attempt`, a save made from `base`, was lost. A property
 * that still is as in `base` was not written, or was taken back; any other descends from the attempt.
 */
export function ancestorOf(
  base: SessionRecord,
  attempt: SessionRecord,
  stored: SessionRecord,
): SessionRecord {
  const names = new Set([...Object.keys(base), ...Object.keys(attempt)])
  return pick(names, (name) => (isUnchanged(name, base, stored) ? base : attempt))
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

/** fromEntries defines properties: a session with a property named __proto__ keeps it as a property. */
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

/** Data that is nested too deep to be compared is compared as JSON, which took it when it was saved. */
function isEqual(_name: string, value: unknown, other: unknown): boolean {
  try {
    return isDeepStrictEqual(value, other)
  } catch {
    return JSON.stringify(value) === JSON.stringify(other)
  }
}
