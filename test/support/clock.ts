/** The clock of this process, which every server of the tests shares. */

/** Waits for another millisecond. Two touches in the same one would be the same touch. */
export async function nextMillisecond(): Promise<void> {
  const now = Date.now()
  while (Date.now() === now) await new Promise((resolve) => setImmediate(resolve))
}
