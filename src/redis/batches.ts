/** About how many entries of an index one command lists. More would keep other clients of the server waiting. */
export const pageSize = 1000

/** Splits items into slices of at most `size`. */
export function batches<T>(items: readonly T[], size: number): T[][] {
  const slices: T[][] = []
  for (let start = 0; start < items.length; start += size) slices.push(items.slice(start, start + size))
  return slices
}
