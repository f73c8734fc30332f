const POLL_EVERY_MS = 15
/** A machine may be ten times as slow as another. */
const GIVE_UP_AFTER_MS = 90_000

/**
 * Waits for a state that Redis announces to nobody, by asking for it: resolves to the first answer that is neither
 * falsy nor an error, and rejects with what was awaited, and the last error, after `timeout` milliseconds.
 */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | false | undefined> | T | false | undefined,
  timeout = GIVE_UP_AFTER_MS,
): Promise<T> {
  const deadline = performance.now() + timeout
  let cause: unknown
  do {
    try {
      const answer = await ask()
      if (answer) return answer
      cause = undefined
    } catch (error) {
      cause = error
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_EVERY_MS))
  } while (performance.now() < deadline)
  throw new Error(`Waited ${timeout} ms in vain for ${what}`, { cause })
}
