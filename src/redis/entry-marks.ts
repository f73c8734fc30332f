/**
 * Reads the marks on the score of an index entry, on Redis Cluster. `entryMarks` in `scripts/parts.ts` explains them.
 */

/** Whether a write has reserved the entry. That write may create the session at any moment. */
export function isReserved(score: number): boolean {
  return marksOf(score) >= 8
}

/**
 * Whether exactly one write has reserved the entry, and found no entry before. If the user has the session, that write
 * made it.
 */
export function isFresh(score: number): boolean {
  return marksOf(score) === 8
}

/** Whether a removal of the session has begun. The process that began it may have crashed. */
export function isCondemned(score: number): boolean {
  return marksOf(score) % 8 >= 4
}

/** Returns the score of an entry that exactly one write has reserved, without an entry before. */
export function freshScore(until: number): string {
  return String(until + 8 / stepsOf(until))
}

function marksOf(score: number): number {
  return Math.floor((score - Math.floor(score)) * stepsOf(score))
}

/** How many marks fit into a millisecond. */
function stepsOf(score: number): number {
  return score < 2 ** 45 ? 128 : 32
}
