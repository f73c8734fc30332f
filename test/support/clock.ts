/** The clock of this process, which every server of the tests shares. */

/** Waits for another millisecond. Two touches in the same one would be the same touch. */
export async function nextMillisecond(): Promise<void> {
  const now = Date.now()
  while (Date.now() === now) await new Promise((resolve) => setImmediate(resolve))
}

/** Runs work with the clock of this process set back by `ms`, as if it had been done so long ago. Redis keeps its own time. */
export async function earlier<T>(ms: number, work: () => Promise<T>): Promise<T> {
  const { now } = Date
  Date.now = () => now() - ms
  try {
    return await work()
  } finally {
    Date.now = now
  }
}
