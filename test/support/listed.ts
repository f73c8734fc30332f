/** Guarantee 1, indexed: the score under which a user's index lists a session. */
import { expect } from 'chai'
import type { Fields } from './sessions.ts'

/** Access to what Redis holds under the prefixes of a test. */
interface Place {
  /** When the test began, in ms since 1970: no session was written before. */
  started: number
  record(sessionId: string): Promise<Fields>
  expiry(sessionId: string): Promise<number>
  index(userId: string): Promise<Record<string, number>>
  indexExpiry(userId: string): Promise<number>
}

/**
 * Checks that the user's index lists the session under exactly the `until` of its record. That is no sooner than the
 * TTL, and at most an eighth of the lifetime later. The index lives as long as its longest entry. Resolves to the
 * score.
 */
export async function expectListed(place: Place, sessionId: string, userId: string): Promise<number> {
  const [record, expires] = [await place.record(sessionId), await place.expiry(sessionId)]
  const index = await place.index(userId)
  expect(index, 'the index').to.have.property(sessionId, untilOf(record) ?? expires)
  const score = index[sessionId] as number
  expect(score, 'index score').to.be.within(expires, expires + (expires - place.started) / 8)
  expect(await place.indexExpiry(userId), 'the end of the index').to.equal(
    Math.ceil(Math.max(...Object.values(index))),
  )
  return score
}

/**
 * A record without a note is listed by its own `expires` if that sets the expiry. A record of connect-redis is listed
 * by its TTL (`undefined`).
 */
function untilOf({ cookie, expires }: Fields): number | undefined {
  const { index, expires: cookieExpires } = Object(cookie) as {
    index?: { until?: number }
    expires?: unknown
  }
  if (index?.until !== undefined) return index.until
  return cookieExpires || typeof expires !== 'string' ? undefined : Date.parse(expires)
}
