/** Splits work on many sessions into parts. */

/** About how many entries of an index one command lists. More would keep other clients of the server waiting. */
export const pageSize = 1000

/** Splits items into slices of at most `size`. */
export function batches<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, n) =>
    items.slice(n * size, (n + 1) * size),
  )
}
