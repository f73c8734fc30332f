/** The events of a store. */
import type { EventEmitter } from 'node:events'

/**
 * Why a session was destroyed. `logout`: by `destroy`. `revoked`: by `destroyUser`, `destroyUserSession` or `clear`. `limit`: a
 * sign-in went beyond `maxUserSessions`. `missed`: a check found it gone, for whatever reason.
 */
export type DestroyReason = 'logout' | 'revoked' | 'limit' | 'missed'

export interface CreatedEvent {
  sessionId: string
  /** base64url SHA-256 of the session id. */
  handle: string
  /** `null` for an anonymous session. */
  userId: string | null
}

export interface DestroyedEvent {
  /** base64url SHA-256 of the session id. */
  handle: string
  /** `null` for an anonymous session, and if it is not known. */
  userId: string | null
  reason: DestroyReason
}

export interface FailedEvent {
  /** The method of the store. Those of a session call `set` (`save`), `get` (`reload`), `destroy` and `regenerate`. */
  method: string
  error: unknown
}

/** The events of a store, by name. The natural expiry of a session is not announced. */
export interface StoreEvents {
  /** A session was created by this store. */
  created: [event: CreatedEvent]
  /** A session was destroyed: by this store, or with a `subscriber` by any store on the same Redis and prefix that has one. */
  destroyed: [event: DestroyedEvent]
  /**
   * The `subscriber` is not connected, failed to listen, or failed to look again after its connection came back; or a message could
   * not be published. If nobody listens, the process is warned.
   */
  subscriberError: [error: unknown]
  /**
   * A call failed that had no callback, and nobody looks at its promise; or the promise of an `onRevoked` listener rejected. If
   * nobody listens, the process is warned.
   */
  failed: [event: FailedEvent]
}

/**
 * Emits on a tick of its own, so that what a listener throws reaches the process as in any event, and not the request that
 * happened to destroy a session.
 */
export function emitLater<Name extends keyof StoreEvents>(
  emitter: EventEmitter,
  name: Name,
  ...args: StoreEvents[Name]
): void {
  process.nextTick(() => emitter.emit(name, ...args))
}

/** The most warnings of one store, so that an outage does not fill a log. */
const mostWarnings = 20

/** Reports failures that no caller can see: by an event, and if nobody listens, by a warning of the process. */
export class Reports {
  readonly #warned = new Set<string>()

  constructor(readonly emitter: EventEmitter) {}

  subscriberError(error: unknown): void {
    this.#report('subscriberError', error, `cannot tell or hear of revocations: ${error}`)
  }

  failed(method: string, error: unknown): void {
    this.#report(
      'failed',
      { method, error },
      `${method}() failed, and nobody looked at its promise: ${error}`,
    )
  }

  /** On the next tick, so that whoever made the store can listen before. */
  #report(name: 'subscriberError' | 'failed', event: unknown, warning: string): void {
    process.nextTick(() => {
      if (!this.emitter.emit(name, event)) this.#warn(warning)
    })
  }

  /** Once of each failure. */
  #warn(warning: string): void {
    if (this.#warned.has(warning) || this.#warned.size >= mostWarnings) return
    this.#warned.add(warning)
    process.emitWarning(`redis-user-sessions ${warning}`)
  }
}
