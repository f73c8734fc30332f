import { randomBytes } from 'node:crypto'
import type { EventEmitter } from 'node:events'
import { type Access, hasEnded, readable } from '../redis/access.ts'
import type { Announcement, StoredRecord } from '../redis/records.ts'
import { badArgument } from '../session/errors.ts'
import { handleOf } from '../session/handle.ts'
import { type DestroyedEvent, type DestroyReason, emitLater } from './events.ts'
import { type SubscriberClient, Subscription } from './subscription.ts'

export type RevokedListener = (event: DestroyedEvent) => void

interface Watch {
  sessionId: string
  listeners: Set<RevokedListener>
}

/**
 * Tells who wants to know that a session was destroyed. The message goes out in the same script that deletes the session, and
 * carries its handle, so that it cannot be used to sign in. A message may be lost while a connection is down: after it has come
 * back, the sessions that someone waits for are looked at instead. The record is the truth, the message only says when to look.
 */
export class Revocations {
  readonly #store = randomBytes(9).toString('base64url')
  readonly #watches = new Map<string, Watch>()
  /** Sessions that were destroyed lately, by handle: whoever begins to wait for one of them must look first. */
  readonly #recent = new Map<string, DestroyReason>()
  /** Messages of this store that told of a session, by the answer to them or by coming back: the other is still to come. */
  readonly #told = new Set<string>()
  readonly #channel: string
  #messages = 0
  #warned = ''

  constructor(
    readonly access: Access,
    readonly emitter: EventEmitter,
    readonly subscriber: SubscriberClient | undefined,
  ) {
    this.#channel = `${access.keys.prefix}revoked`
    if (!subscriber) return
    new Subscription(subscriber, this.#channel, `${this.#channel}:${this.#store}`, {
      message: (message) => this.#receive(message),
      listening: () => this.check(),
      failed: (error) => this.#failed(error),
    })
  }

  /** The access with which sessions are destroyed for this reason. */
  because(reason: DestroyReason): Access {
    return {
      ...this.access,
      announce: (sessionId, userId) => this.#announcement({ handle: handleOf(sessionId), userId, reason }),
      destroyed: (sessionId, userId, announcement) => {
        if (announcement && !this.#isFirst(announcement.message)) return
        this.#hear({ handle: handleOf(sessionId), userId, reason })
      },
      unannounced: () => this.#failed(new Error(`no message could be published on ${this.#channel}`)),
    }
  }

  /** Calls `listener` once, when the session is destroyed; returns a function that takes the listener back. */
  watch(sessionId: string, listener: RevokedListener): () => void {
    const handle = handleOf(sessionId)
    const watch = this.#watches.get(handle) ?? { sessionId, listeners: new Set() }
    // Each call is a listener of its own, even of the same function. It is called on the next tick, unless it is taken back by then.
    let isTaken = false
    const own: RevokedListener = (event) => {
      if (!isTaken) listener(event)
    }
    watch.listeners.add(own)
    this.#watches.set(handle, watch)
    if (this.#recent.has(handle)) this.#check([[handle, watch]]).catch((error) => this.#failed(error))
    return () => {
      isTaken = true
      watch.listeners.delete(own)
      if (watch.listeners.size === 0 && this.#watches.get(handle) === watch) this.#watches.delete(handle)
    }
  }

  /** Looks at all sessions that someone waits for, and tells of those that are gone; resolves to how many. */
  async check(): Promise<number> {
    const watched = [...this.#watches]
    let gone = 0
    for (let start = 0; start < watched.length; start += checkSize) {
      gone += await this.#check(watched.slice(start, start + checkSize))
    }
    return gone
  }

  async #check(watched: [handle: string, watch: Watch][]): Promise<number> {
    const ids = watched.map(([, { sessionId }]) => sessionId)
    const found = await this.access.records.read(ids)
    const over = await Promise.all(found.map((stored, n) => this.#isOver(ids[n] as string, stored)))
    // Those that a message has told of meanwhile are not waited for any more.
    const gone = watched.filter(([handle, watch], n) => over[n] && this.#watches.get(handle) === watch)
    for (const [handle] of gone) this.#tell({ handle, userId: null, reason: 'missed' })
    return gone.length
  }

  async #isOver(sessionId: string, stored: StoredRecord): Promise<boolean> {
    if (stored.raw === null) return !stored.foreign
    const session = await readable(this.access, sessionId, stored.raw)
    return session !== null && hasEnded(this.access, session)
  }

  #announcement(event: DestroyedEvent): Announcement | undefined {
    if (!this.subscriber) return undefined
    const message = JSON.stringify({ ...event, store: this.#store, number: ++this.#messages })
    return { channel: this.#channel, message }
  }

  #tell(event: DestroyedEvent): void {
    emitLater(this.emitter, 'destroyed', event)
    this.#remember(event)
    const watch = this.#watches.get(event.handle)
    if (!watch) return
    this.#watches.delete(event.handle)
    for (const listener of watch.listeners) process.nextTick(listener, event)
    watch.listeners.clear()
  }

  #remember({ handle, reason }: DestroyedEvent): void {
    this.#recent.delete(handle)
    this.#recent.set(handle, reason)
    shorten(this.#recent)
  }

  /** A store hears of what it destroyed by Redis's answer and by its own message, in any order; and either may get lost. */
  #isFirst(message: string): boolean {
    if (this.#told.delete(message)) return false
    this.#told.add(message)
    shorten(this.#told)
    return true
  }

  /** A check may find a session gone before the message, or the answer, comes. */
  #hear(event: DestroyedEvent): void {
    const wasMissed = this.#recent.get(event.handle) === 'missed' && !this.#watches.has(event.handle)
    if (!wasMissed) this.#tell(event)
  }

  #receive(message: string): void {
    const event = parseMessage(message)
    if (!event || (event.store === this.#store && !this.#isFirst(message))) return
    this.#hear({ handle: event.handle, userId: event.userId, reason: event.reason })
  }

  #failed(error: unknown): void {
    if (this.emitter.listenerCount('subscriberError') > 0) {
      emitLater(this.emitter, 'subscriberError', error)
    } else if (this.#warned !== String(error)) {
      this.#warned = String(error)
      process.emitWarning(`redis-user-sessions cannot tell or hear of revocations: ${error}`)
    }
  }
}

const checkSize = 500
const recentSize = 10_000

/** Forgets the oldest. */
function shorten(recent: Map<string, unknown> | Set<string>): void {
  if (recent.size > recentSize) recent.delete(recent.keys().next().value as string)
}

/** Anybody may publish on a channel: what is no message of a store is ignored. */
function parseMessage(message: string): (DestroyedEvent & { store: unknown }) | null {
  try {
    const event = JSON.parse(message)
    return typeof event?.handle === 'string' ? event : null
  } catch {
    return null
  }
}

export function checkListener(listener: unknown): RevokedListener {
  if (typeof listener === 'function') return listener as RevokedListener
  throw badArgument('listener', 'a function', listener)
}
