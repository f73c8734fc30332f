/** The events of a store. */
import type { EventEmitter } from 'node:events'

/**
 * Why a session was destroyed:
 *
 * - `logout`: `destroy` was called.
 * - `revoked`: `destroyUser`, `destroyUserSession` or `clear` was called.
 * - `limit`: a sign-in went beyond `maxUserSessions`.
 * - `missed`: a check found that the session is gone, for whatever reason.
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
  /** `null` for an anonymous session, or if the owner is unknown. */
  userId: string | null
  reason: DestroyReason
}

export interface FailedEvent {
  /**
   * The method of the store. Session methods use these names: `set` (`save`), `get` (`reload`), `destroy` and
   * `regenerate`.
   */
  method: string
  error: unknown
}

/** The events of a store, by name. The natural expiry of a session causes no event. */
export interface StoreEvents {
  /** This store has created a session. A session that gets its user later, without `regenerate`, causes no event then. */
  created: [event: CreatedEvent]
  /**
   * A session was destroyed by this store. With a `subscriber`, also by another store with a subscriber, on the same
   * Redis and prefix.
   */
  destroyed: [event: DestroyedEvent]
  /**
   * The `subscriber` is not connected, could not subscribe, or could not check the sessions after a reconnect. Or a
   * message could not be published. Without a listener, the process emits a warning.
   */
  subscriberError: [error: unknown]
  /**
   * A call without a callback failed, and no code looked at its promise. Or the promise of an `onRevoked` listener
   * rejected. Without a listener, the process emits a warning.
   */
  failed: [event: FailedEvent]
}

/**
 * Emits the event on its own tick, if anybody listens by then. So an error in a listener reaches the process, as with
 * any event. It does not reach the request that destroyed the session.
 */
export function emitLater<Name extends keyof StoreEvents>(
  emitter: EventEmitter,
  name: Name,
  eventOf: () => StoreEvents[Name][0],
): void {
  process.nextTick(() => {
    if (emitter.listenerCount(name) > 0) emitter.emit(name, eventOf())
  })
}

/** The most warnings of one store, so that an outage does not fill a log. */
const mostWarnings = 20

/** Reports failures that no caller can see. It emits an event, or a process warning if the event has no listener. */
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

  /** Waits for the next tick, so that code that has just made the store can add a listener first. */
  #report(name: 'subscriberError' | 'failed', event: unknown, warning: string): void {
    process.nextTick(() => {
      if (!this.emitter.emit(name, event)) this.#warn(warning)
    })
  }

  /** Warns only once of each failure. */
  #warn(warning: string): void {
    if (this.#warned.has(warning) || this.#warned.size >= mostWarnings) return
    this.#warned.add(warning)
    process.emitWarning(`redis-user-sessions ${warning}`)
  }
}
