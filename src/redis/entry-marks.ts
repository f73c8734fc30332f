/** Reads the marks on the score of an index entry, on Cluster: see `entryMarks` in `scripts/parts.ts`. */

/** If somebody has reserved the entry for a session that may be written at any moment. */
export function isReserved(score: number): boolean {
  return marksOf(score) >= 8
}

/** If a single maker has reserved it who found no entry. If there is a session of this user, that maker has written it. */
export function isFresh(score: number): boolean {
  return marksOf(score) === 8
}

/** If somebody has begun to remove the session, and perhaps died over it. */
export function isCondemned(score: number): boolean {
  return marksOf(score) % 8 >= 4
}

/** The score of an entry that a single maker has reserved who found none. */
export function freshScore(until: number): string {
  return String(until + 8 / 32)
}

function marksOf(score: number): number {
  return Math.floor((score - Math.floor(score)) * 32)
}
