import { badArgument } from '../session/errors.ts'

/** A Node callback: an error, or `null` and the result. */
export type Callback<T = void> = (error: unknown, result?: T) => void

/**
 * Does the work of a method that returns a promise and takes a Node callback. A callback of a wrong type rejects with a `TypeError`,
 * and the work is not begun.
 *
 * - With a callback, it is called exactly once, and a rejection that nobody else looks at counts as handled. What the callback
 *   throws is thrown on a tick of its own: it reaches the process as in any Node callback, and cannot call it a second time.
 * - Without one, `unseen` is called with the error of a promise that nobody looks at. express-session drops promises.
 * - So it is if express-session has no callback of the app: then `save` of a session hands in an empty function, and `reload` calls
 *   what is not there.
 */
export function settle<T>(
  work: () => Promise<T>,
  callback: Callback<T> | null | undefined,
  unseen: (error: unknown) => void,
): Promise<T> {
  if (typeof callback === 'function') {
    const promise = work()
    promise.then(
      (result) => call(callback, unseen, null, result),
      (error) => call(callback, unseen, error || new Error('failed without an error', { cause: error })),
    )
    return promise
  }
  return watched(callback === undefined || callback === null ? work() : refused(callback), unseen)
}

async function refused(callback: unknown): Promise<never> {
  throw badArgument('callback', 'a function', callback)
}

function call<T>(
  callback: Callback<T>,
  unseen: (error: unknown) => void,
  ...outcome: Parameters<Callback<T>>
): void {
  const [error, result] = outcome
  try {
    callback(...outcome)
    if (error && isEmpty(callback)) unseen(error)
  } catch (thrown) {
    if (!isOfExpressSession(thrown)) throwLater(thrown)
    else if (error || result === null) unseen(error ?? new Error('failed to load session'))
  }
}

function isEmpty(callback: Callback<never>): boolean {
  return /^function\s*\(\)\s*\{\s*\}$/.test(String(callback))
}

/** Thrown before any code of the app has run: there is no callback, or the app has deleted the session of the request meanwhile. */
function isOfExpressSession(thrown: unknown): boolean {
  if (!(thrown instanceof TypeError)) return false
  const [, thrower = ''] = thrown.stack?.split('\n') ?? []
  return /\bexpress-session\b/.test(thrower)
}

function throwLater(thrown: unknown): void {
  process.nextTick(() => {
    throw thrown
  })
}

/** A promise that knows if anybody looks at it: `await`, `catch`, `finally`, `Promise.all` and the like all call `then`. */
class Watched<T> extends Promise<T> {
  isSeen = false

  /** What `then` returns is a plain promise: its rejection is the caller's to handle. */
  static override get [Symbol.species]() {
    return Promise
  }

  // biome-ignore lint/suspicious/noThenProperty: it is a promise, and this is how it knows
  override then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.isSeen = true
    return super.then(onFulfilled, onRejected)
  }
}

/** Whether anybody looks is asked when Node would ask: after the microtasks that follow the rejection. */
function watched<T>(promise: Promise<T>, unseen: (error: unknown) => void): Promise<T> {
  const result = new Watched<T>((resolve, reject) => void promise.then(resolve, reject))
  Promise.prototype.then.call(result, undefined, (error) => {
    process.nextTick(() => {
      if (!result.isSeen) unseen(error)
    })
  })
  return result
}
