import type { EventEmitter } from 'node:events'

/**
 * Why a session was destroyed: `logout` by `destroy`; `revoked` by `destroyUser`, `destroyUserSession` or `clear`; `limit`
 * because a sign-in went beyond `maxUserSessions`; `missed` if a check found it gone, for whatever reason.
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

/** The events of a store, by name. The natural expiry of a session is not announced. */
export interface StoreEvents {
  /** A session was created by this store. */
  created: [event: CreatedEvent]
  /** A session was destroyed: by this store, or with a `subscriber` by any store on the same Redis and prefix that has one. */
  destroyed: [event: DestroyedEvent]
  /** The `subscriber` failed to listen, or to look again after its connection came back. */
  subscriberError: [error: unknown]
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
