import { badArgument } from '../session/errors.ts'

/** A Node callback: an error, or `null` and the result. */
export type Callback<T = void> = (error: unknown, result?: T) => void

/**
 * Returns the callback of a call. If an argument before it is missing, the callback is in that place. It is called with
 * the error for that argument.
 */
export function callbackOf<T>(
  callback: Callback<T> | undefined,
  ...before: unknown[]
): Callback<T> | undefined {
  if (callback !== undefined) return callback
  return before.find(isCallback) as Callback<T> | undefined
}

/** A class cannot be called. It was passed by mistake in place of data. */
export function isCallback(argument: unknown): boolean {
  return (
    typeof argument === 'function' && !/^class\b|^function \w+\(\) \{ \[native code\]/.test(String(argument))
  )
}

/**
 * Calls a method of a store that an app may have replaced by its own. As express-session does, it passes a callback. A
 * method without a parameter for it may return a promise instead.
 */
export function calledBack<T = void>(
  method: (sessionId: string, callback: Callback<T>) => unknown,
  store: object,
  sessionId: string,
): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const callback: Callback<T> = (error, result) => (error ? reject(error) : resolve(result))
    const returned = Promise.resolve(method.call(store, sessionId, callback)) as Promise<T | undefined>
    returned.then(method.length < 2 ? resolve : undefined, reject)
  })
}

/**
 * Runs a method that returns a promise and accepts a Node callback. If the callback has a wrong type, it rejects with a
 * `TypeError` and does not begin.
 *
 * - A callback is called exactly once, and then the rejection counts as handled. An error that the callback throws gets
 *   its own tick. So it reaches the process, as with any Node callback, and does not call the callback again.
 * - Without a callback, `unseen` is called with the error of a promise that no code looks at. express-session ignores
 *   promises.
 * - `unseen` is also called if the callback is express-session's own and the app gave none. Then `save` of a session
 *   passes an empty function, and `reload` calls a callback that does not exist.
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
    if (isOfExpressSession(thrown)) {
      if (error || result === null) unseen(error ?? new Error('failed to load session'))
      else if (!isOfReload(thrown)) unseen(thrown)
    } else if (isOfBundledReload(thrown, callback)) unseen(error ?? thrown)
    else throwLater(thrown)
  }
}

function isEmpty(callback: Callback<never>): boolean {
  return /^function\s*\(\)\s*\{\s*\}$/.test(String(callback))
}

/**
 * Whether express-session threw the error, before any code of the app ran. Either there is no callback, or the app has
 * deleted the request's session meanwhile.
 */
function isOfExpressSession(thrown: unknown): thrown is TypeError {
  if (!(thrown instanceof TypeError)) return false
  // The app may have set `Error.prepareStackTrace`, which can return anything.
  const [, thrower = ''] = String(thrown.stack).split('\n')
  return /[\\/]node_modules[\\/]express-session[\\/]/.test(thrower)
}

/** The message if `reload` has no callback, or if the request has no session any more. The reload itself has succeeded. */
function isOfReload({ message }: TypeError): boolean {
  return /'(apply|reload)'\)$/.test(message)
}

/**
 * Whether the error seems to be that of `reload` without a callback in a bundle, where the stack does not name
 * express-session. The text of its own callback and the message tell it.
 */
function isOfBundledReload(thrown: unknown, callback: Callback<never>): boolean {
  if (!(thrown instanceof TypeError) || !isOfReload(thrown)) return false
  const text = String(callback)
  return text.includes('failed to load session') && text.includes('createSession(')
}

function throwLater(thrown: unknown): void {
  process.nextTick(() => {
    throw thrown
  })
}

/**
 * A promise that knows whether any code looks at it. `await`, `catch`, `finally`, `Promise.all` and the like all call
 * `then`.
 */
class Watched<T> extends Promise<T> {
  isSeen = false

  /** `then` returns a plain promise. The caller must handle its rejection. */
  static override get [Symbol.species]() {
    return Promise
  }

  // biome-ignore lint/suspicious/noThenProperty: a promise has `then`, and this class must know of its calls
  override then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.isSeen = true
    return super.then(onFulfilled, onRejected)
  }
}

/** Checks whether any code looks at the promise. Like Node, it waits for the microtasks that follow the rejection. */
function watched<T>(promise: Promise<T>, unseen: (error: unknown) => void): Promise<T> {
  const result = new Watched<T>((resolve, reject) => void promise.then(resolve, reject))
  Promise.prototype.then.call(result, undefined, (error) => {
    process.nextTick(() => {
      if (!result.isSeen) unseen(error)
    })
  })
  return result
}
