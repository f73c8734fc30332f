/** The clock of this process, which all servers of the tests share. */

/** Waits for another millisecond. Two touches in the same one would be the same touch. */
export async function nextMillisecond(): Promise<void> {
  const now = Date.now()
  while (Date.now() === now) await new Promise((resolve) => setImmediate(resolve))
}

const trueNow = Date.now

/** How many ms the clock of this process is ahead of that of Redis. */
export function clockAhead(): number {
  return Date.now() - trueNow()
}

/**
 * Runs `work` like a process whose clock is this many ms ahead of Redis's (behind, if negative). Work of another
 * process must set its own clock. Calls may nest, and end in the order in which they nest.
 */
export async function atClock<T>(ahead: number, work: () => Promise<T>): Promise<T> {
  const before = Date.now
  Date.now = () => trueNow() + ahead
  try {
    return await work()
  } finally {
    Date.now = before
  }
}

/**
 * Stops the clock of this process during each test here. Redis's clock goes on. A load reports the expiry that a touch
 * at that moment would set. With a stopped clock, that equals the expiry of the last save, even on a slow machine.
 */
export function stopClock(): void {
  beforeEach(() => {
    const now = trueNow()
    Date.now = () => now
  })
  afterEach(() => {
    Date.now = trueNow
  })
}
