/** Work that is started before its result is needed, so that Redis and this process work at the same time. */

/** How many items are under way besides the one whose result is awaited. More would need more memory. */
const ahead = 2

/**
 * Yields the result of `start` for each item, in order. The next items are started before the caller gets a result. If
 * the caller stops early, this waits for those items, so no work goes on after the loop.
 */
export async function* startAhead<Item, Result>(
  items: Iterable<Item> | AsyncIterable<Item>,
  start: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const started: Promise<Result>[] = []
  try {
    for await (const item of items) {
      const work = start(item)
      // Without this, a rejection before its turn would end the process.
      work.catch(() => {})
      started.push(work)
      if (started.length > ahead) yield (await started.shift()) as Result
    }
    while (started.length > 0) yield (await started.shift()) as Result
  } finally {
    await Promise.allSettled(started)
  }
}
