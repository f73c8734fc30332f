/** A Node callback: an error, or `null` and the result. */
export type Callback<T = void> = (error: unknown, result?: T) => void

/**
 * Hands a promise's result to a callback too, where one is given. What the callback throws is thrown on a tick of its own, so that
 * it reaches the process as in any Node callback and cannot call it a second time; with a callback, a rejection that nobody else
 * looks at counts as handled.
 */
export function settle<T>(promise: Promise<T>, callback: Callback<T> | undefined): Promise<T> {
  if (typeof callback === 'function') {
    promise.then(
      (result) => call(callback, null, result),
      (error) => call(callback, error),
    )
  }
  return promise
}

function call<T>(callback: Callback<T>, ...outcome: Parameters<Callback<T>>): void {
  try {
    callback(...outcome)
  } catch (thrown) {
    process.nextTick(() => {
      throw thrown
    })
  }
}
