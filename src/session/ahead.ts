/** Work that is started before its result is needed, so that Redis and this process work at the same time. */

/** Starts work whose result is awaited later, or never. Without this, an early rejection would end the process. */
export function startEarly<T>(work: Promise<T>): Promise<T> {
  work.catch(() => {})
  return work
}

/** Yields the result of `start` for each item, in order. The next item is started before the caller gets a result. */
export async function* oneAhead<Item, Result>(
  items: readonly Item[],
  start: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  let current: Promise<Result> | null = null
  for (const item of items) {
    const next = startEarly(start(item))
    if (current) yield await current
    current = next
  }
  if (current) yield await current
}
