/** Work that is started before its result is needed, so that Redis and this process work at the same time. */

/** Starts work whose result is awaited later. Without this, a rejection before that would end the process. */
export function startEarly<T>(work: Promise<T>): Promise<T> {
  work.catch(() => {})
  return work
}

/**
 * Yields the result of `start` for each item, in order. The next item is started before the caller gets a result. If the
 * caller stops early, this waits for that item, so no work goes on after the loop.
 */
export async function* oneAhead<Item, Result>(
  items: Iterable<Item> | AsyncIterable<Item>,
  start: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  let next: Promise<Result> | undefined
  try {
    for await (const item of items) {
      const current = next
      next = startEarly(start(item))
      if (current) yield await current
    }
    if (next) yield await next
  } finally {
    await next?.catch(() => {})
  }
}
