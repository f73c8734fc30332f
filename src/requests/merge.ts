import { isDeepStrictEqual } from 'node:util'
import type { SessionRecord } from '../redis/records.ts'
import { cookieOf, plainCookie } from '../session/expiry.ts'

/**
 * Three-way merge of session data by top-level property. Where `mine` and `stored` were both made from `base`:
 *
 * - a property that only one of them changed, added or deleted is as that one left it;
 * - a property that both changed is as `mine`, the later save, has it (a deletion is a change);
 * - of `cookie`, which every touch changes, the properties are merged in the same way, of two touches the later expiry holds,
 *   and a touch that did not know of a new `originalMaxAge` ("remember me") moves the expiry by the new one. Where `base` has no cookie, because `createSession`
 *   made it, both were given the same one when they were loaded.
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

function mergeCookies(base: SessionRecord, touched: SessionRecord, stored: SessionRecord): SessionRecord {
  const kept = isSameAge(touched.originalMaxAge, base.originalMaxAge)
  const mine = kept ? { ...touched, originalMaxAge: base.originalMaxAge } : touched
  const merged = mergeProperties(base, mine, stored)
  const moved = !isDeepStrictEqual(mine.expires, base.expires)
  if (!kept || !moved) return merged
  if (!isSameAge(stored.originalMaxAge, base.originalMaxAge)) merged.expires = touchedExpires(mine, stored)
  else if (isLater(stored.expires, mine.expires)) merged.expires = stored.expires
  return merged
}

/** express-session touches when the answer begins and saves when it ends, which for a stream may be hours later. */
function isLater(expires: unknown, other: unknown): boolean {
  return new Date(expires as string).getTime() > new Date(other as string).getTime()
}

/** In ms: what express-session's touch may take off `originalMaxAge`, which it computes anew from the clock. */
const maxDrift = 100

/** Whether two `originalMaxAge` (ms) are the same but for that. */
export function isSameAge(age: unknown, other: unknown): boolean {
  if (typeof age === 'number' && typeof other === 'number') return Math.abs(age - other) < maxDrift
  return isDeepStrictEqual(age, other)
}

/** When `mine` was touched, plus how long `stored` wants the session to live from then. */
function touchedExpires(mine: SessionRecord, stored: SessionRecord): unknown {
  if (typeof stored.originalMaxAge !== 'number') return stored.expires
  if (typeof mine.originalMaxAge !== 'number') return stored.expires
  const touched = new Date(mine.expires as string | Date).getTime() - mine.originalMaxAge
  const expires = new Date(touched + stored.originalMaxAge)
  return Number.isNaN(expires.getTime()) ? stored.expires : expires.toISOString()
}

function mergeProperties(base: SessionRecord, mine: SessionRecord, stored: SessionRecord): SessionRecord {
  const names = new Set([...Object.keys(mine), ...Object.keys(stored)])
  const winners = [...names].map((name) => [name, unchanged(name, base, mine) ? stored : mine] as const)
  // fromEntries defines properties: a session with a property named __proto__ keeps it as a property.
  return Object.fromEntries(
    winners
      .filter(([name, winner]) => Object.hasOwn(winner, name))
      .map(([name, winner]) => [name, winner[name]]),
  )
}

function unchanged(name: string, base: SessionRecord, mine: SessionRecord): boolean {
  return Object.hasOwn(base, name) === Object.hasOwn(mine, name) && isDeepStrictEqual(base[name], mine[name])
}
