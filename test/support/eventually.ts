const POLL_EVERY_MS = 15
/** Some machines are ten times as slow as others. */
const GIVE_UP_AFTER_MS = 90_000

/**
 * Waits for a state that Redis does not announce, by asking for it again and again. Resolves to the first answer that
 * is neither falsy nor an error. After `timeout` ms, it rejects with the awaited state and the last error.
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
