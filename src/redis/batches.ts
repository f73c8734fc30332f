/** How much one command does at most. More would keep other clients of the server waiting. */

/** How many sessions one command reads or removes. */
const batchSize = 200

/** About how many entries of an index one command lists. */
export const pageSize = 1000

/** Splits items into slices of at most `batchSize`. */
export function batches<T>(items: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(items.length / batchSize) }, (_, n) =>
    items.slice(n * batchSize, (n + 1) * batchSize),
  )
}
