/** The clock of this process, which every server of the tests shares. */

/** Waits for another millisecond. Two touches in the same one would be the same touch. */
export async function nextMillisecond(): Promise<void> {
  const now = Date.now()
  while (Date.now() === now) await new Promise((resolve) => setImmediate(resolve))
}

/** Runs `work` as a process whose clock is this many ms ahead (or behind, if negative). Redis and its TTLs keep their own time. */
export async function atClock<T>(ahead: number, work: () => Promise<T>): Promise<T> {
  const { now } = Date
  Date.now = () => now() + ahead
  try {
    return await work()
  } finally {
    Date.now = now
  }
}
