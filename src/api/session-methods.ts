import type { Request } from 'express'
import type { Session, Store } from 'express-session'
import { badArgument } from '../session/errors.ts'

type Method = (this: Session & { req: Request }, callback?: unknown) => Session

/**
 * `save` and `reload` of a session without a callback. express-session's `save` hides every error then, and its `reload` calls the
 * callback that is not there, which ends the process. `destroy` and `regenerate` need nothing: they hand on what they got.
 *
 * @param unseen Called with an error that nobody can see.
 */
export function sessionMethods(unseen: (method: string, error: unknown) => void): PropertyDescriptorMap {
  const save: Method = function (callback) {
    const { sessionStore } = this.req as unknown as { sessionStore: Store }
    sessionStore.set(this.id, this as never, callback as never)
    return this
  }

  const reload: Method = function (callback) {
    const { reload } = Object.getPrototypeOf(this) as Session
    return reload.call(this, (...outcome: [error?: unknown]) => {
      const [error] = outcome
      if (typeof callback !== 'function') {
        if (error || callback != null)
          unseen('reload', error || badArgument('callback', 'a function', callback))
        return
      }
      try {
        callback(...outcome)
      } catch (thrown) {
        if (!isOfMiddleware(thrown)) throw thrown
        if (error) unseen('reload', error)
      }
    })
  }

  return { save: hidden(save), reload: hidden(reload) }
}

function hidden(value: unknown): PropertyDescriptor {
  return { value, enumerable: false, configurable: true, writable: true }
}

/**
 * The middleware wraps `reload`. What it calls then may not be there: the callback, or the request's session, which the app may have
 * deleted meanwhile. It throws before any code of the app has run.
 */
function isOfMiddleware(thrown: unknown): boolean {
  if (!(thrown instanceof TypeError)) return false
  const [, thrower = ''] = thrown.stack?.split('\n') ?? []
  return /\bexpress-session\b/.test(thrower)
}
