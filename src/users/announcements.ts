/** Tells the listeners of a store, and other processes, that sessions were destroyed. */
import { randomBytes } from 'node:crypto'
import type { EventEmitter } from 'node:events'
import type { Access } from '../redis/access.ts'
import { batches } from '../redis/batches.ts'
import type { SubscriberClient } from '../redis/clients/client.ts'
import { databaseOf } from '../redis/clients/database.ts'
import type { Announcement, StoredRecord } from '../redis/records.ts'
import { hasEnded, readable } from '../redis/stored-session.ts'
import { badArgument } from '../session/errors.ts'
import { handleOf } from '../session/handle.ts'
import { Recent } from '../session/recent.ts'
import { type DestroyedEvent, type DestroyReason, emitLater, type Reports } from './events.ts'
import { Subscription } from './subscription.ts'

export type RevokedListener = (event: DestroyedEvent) => void

interface Watch {
  sessionId: string
  listeners: Set<RevokedListener>
}

/** A message of this store. The script's answer and the message both tell of the session. Only the first one counts. */
interface OwnMessage extends Announcement {
  number: number
  isTold: boolean
}

/**
 * Keeps the listeners of one store, and calls them when their sessions are destroyed.
 *
 * The script that deletes a session also publishes the message. The message carries the session's handle, which cannot
 * be used to sign in. Listeners believe it without a look at the record.
 *
 * Messages get lost while a connection is down. After a reconnect, the store therefore checks all sessions that have a
 * listener.
 */
export class Announcements {
  readonly #store = randomBytes(9).toString('base64url')
  readonly #watches = new Map<string, Watch>()
  /** Sessions that were destroyed lately, by handle. A new listener for one of them causes a check. */
  readonly #recent = new Recent<true>()
  /** Sessions that a check found gone: when, by handle. Their messages may still come, and must not be told again. */
  readonly #missed = new Map<string, number>()
  /** Own messages that Redis has not answered yet, by number. */
  readonly #unanswered = new Map<number, OwnMessage>()
  readonly #subscription: Subscription | undefined
  #channel: Promise<string> | undefined
  #messages = 0

  constructor(
    readonly access: Access,
    readonly emitter: EventEmitter,
    readonly reports: Reports,
    subscriber: SubscriberClient | undefined,
  ) {
    if (!subscriber) return
    this.#subscription = new Subscription(subscriber, this.#store, {
      channel: () => this.#findChannel(),
      message: (message) => this.#receive(message),
      listening: () => this.check(),
      failed: (error) => this.reports.subscriberError(error),
    })
  }

  /**
   * Removes all listeners from the subscriber. The store still announces its own revocations, to its listeners and to
   * other processes.
   */
  async close(): Promise<void> {
    await this.#subscription?.close()
  }

  /** Returns the access that destroys sessions for this reason. */
  async because(reason: DestroyReason): Promise<Access> {
    const channel = this.#subscription && (await this.#findChannel())
    return {
      ...this.access,
      announce: (sessionId, userId) =>
        channel === undefined
          ? undefined
          : this.#announcement(channel, { handle: handleOf(sessionId), userId, reason }),
      onDestroyed: (sessionId, userId, announcement, isHeard) => {
        if (!isHeard) this.reports.subscriberError(new Error(`no message could be published on ${channel}`))
        if (announcement && !this.#claim(announcement as OwnMessage)) return
        this.#destroyed(sessionId, userId, reason)
      },
    }
  }

  /** Calls `listener` once, when the session is destroyed. Returns a function that removes the listener. */
  watch(sessionId: string, listener: RevokedListener): () => void {
    if (typeof listener !== 'function') throw badArgument('listener', 'a function', listener)
    const handle = handleOf(sessionId)
    const watch = this.#watches.get(handle) ?? { sessionId, listeners: new Set() }
    // A function may be added twice. It may also be removed between the event and the tick on which it is called.
    let isRemoved = false
    const own: RevokedListener = (event) => {
      return isRemoved ? undefined : listener(event)
    }
    watch.listeners.add(own)
    this.#watches.set(handle, watch)
    // The client remembers what it has destroyed, for any store and for the functions.
    const { destroyed, keys } = this.access
    if (this.#recent.get(handle) || destroyed.since(keys.session(sessionId), 0)) {
      // The answers have come. Only a message may still come.
      const isExpected = this.#subscription !== undefined
      this.#check([[handle, watch]], isExpected).catch((error) => this.reports.subscriberError(error))
    }
    return () => {
      isRemoved = true
      watch.listeners.delete(own)
      if (watch.listeners.size === 0 && this.#watches.get(handle) === watch) this.#watches.delete(handle)
    }
  }

  /** Checks all sessions that have a listener, and announces those that are gone. Resolves to how many were gone. */
  async check(): Promise<number> {
    let gone = 0
    for (const watched of batches([...this.#watches], checkSize)) gone += await this.#check(watched, true)
    return gone
  }

  /** `isExpected`: if a session is gone, the answer or the message about it may still come. */
  async #check(watched: [handle: string, watch: Watch][], isExpected: boolean): Promise<number> {
    const ids = watched.map(([, { sessionId }]) => sessionId)
    const asked = Date.now()
    const found = await this.access.records.read(ids)
    const over = await Promise.all(found.map((stored, n) => this.#isOver(ids[n] as string, stored, asked)))
    // A message may have announced some of them meanwhile. Those have no listener any more.
    const gone = watched.filter(([handle, watch], n) => over[n] && this.#watches.get(handle) === watch)
    for (const [handle] of gone) {
      this.#tell({ handle, userId: null, reason: 'missed' })
      if (isExpected) this.#miss(handle)
    }
    return gone.length
  }

  async #isOver(sessionId: string, stored: StoredRecord, asked: number): Promise<boolean> {
    if (stored.raw === null) return !stored.foreign
    const session = await readable(this.access, sessionId, stored.raw)
    return session !== null && hasEnded(this.access, session, asked)
  }

  /**
   * Redis channels are shared by all databases, so the channel's name contains the number of the database. Database 0
   * has no number.
   */
  #findChannel(): Promise<string> {
    if (this.#channel) return this.#channel
    const { client, keys } = this.access
    const channel = databaseOf(client).then(
      (number) => `${keys.prefix}revoked${number === 0 ? '' : `@${number}`}`,
    )
    this.#channel = channel
    // After a failure, the next caller tries again.
    channel.catch(() => {
      this.#channel = undefined
    })
    return channel
  }

  #announcement(channel: string, event: DestroyedEvent): OwnMessage {
    const number = ++this.#messages
    const message = JSON.stringify({ ...event, store: this.#store, number })
    const own = { channel, message, number, isTold: false }
    this.#unanswered.set(number, own)
    // A failed attempt never gets an answer, so the oldest messages are forgotten. If one of them arrives, it is ignored.
    if (this.#unanswered.size > mostUnanswered)
      this.#unanswered.delete(this.#unanswered.keys().next().value as number)
    return own
  }

  /** If nobody needs the session's handle, it is not computed, because that takes a hash. */
  #destroyed(sessionId: string, userId: string | null, reason: DestroyReason): void {
    const eventOf = (): DestroyedEvent => ({ handle: handleOf(sessionId), userId, reason })
    const isNeeded = this.#subscription || this.#watches.size > 0 || this.#missed.size > 0
    if (isNeeded) this.#hear(eventOf())
    else emitLater(this.emitter, 'destroyed', eventOf)
  }

  #tell(event: DestroyedEvent): void {
    emitLater(this.emitter, 'destroyed', () => event)
    this.#recent.set(event.handle, true)
    const watch = this.#watches.get(event.handle)
    if (!watch) return
    this.#watches.delete(event.handle)
    for (const listener of watch.listeners) process.nextTick(() => this.#call(listener, event))
    watch.listeners.clear()
  }

  /** An error that a listener throws reaches the process, as with any event. A rejected promise is reported. */
  #call(listener: RevokedListener, event: DestroyedEvent): void {
    Promise.resolve(listener(event)).catch((error) => this.reports.failed('onRevoked', error))
  }

  #miss(handle: string): void {
    const now = performance.now()
    this.#missed.set(handle, now)
    for (const [oldest, since] of this.#missed) {
      if (now - since < longestDelay) break
      this.#missed.delete(oldest)
    }
  }

  /** Returns true for the first of the two signs of a revocation, which are the answer and the message. */
  #claim(own: OwnMessage): boolean {
    this.#unanswered.delete(own.number)
    if (own.isTold) return false
    own.isTold = true
    return true
  }

  /** A check may have announced the session before the message or the answer came. */
  #hear(event: DestroyedEvent): void {
    const wasMissed = this.#missed.delete(event.handle) && !this.#watches.has(event.handle)
    if (!wasMissed) this.#tell(event)
  }

  #receive(message: string): void {
    const event = parseMessage(message)
    if (!event) return
    if (event.store === this.#store) {
      const own = this.#unanswered.get(event.number as number)
      // If the number is not in the map, the answer has announced the session already, or the message was forgotten.
      if (!own || !this.#claim(own)) return
    }
    this.#hear({ handle: event.handle, userId: event.userId, reason: event.reason })
  }
}

const checkSize = 500
const mostUnanswered = 10_000

/** In ms: for how long the message about a missed session is expected. */
const longestDelay = 600_000

/** Any program may publish on a channel. Other messages are ignored. */
function parseMessage(message: string): (DestroyedEvent & { store: unknown; number: unknown }) | null {
  try {
    const event = JSON.parse(message)
    return isEvent(Object(event)) ? event : null
  } catch {
    return null
  }
}

function isEvent({ handle, userId, reason }: Record<string, unknown>): boolean {
  const isUser = userId === null || typeof userId === 'string'
  return typeof handle === 'string' && isUser && typeof reason === 'string'
}
