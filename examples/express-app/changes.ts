/** Announces changes to a user's open pages in every process, through Redis. */
import { EventEmitter } from 'node:events'
import type { Redis } from './store.ts'

/** `devices`: the list is another one. `role`: the user has another role. */
export type Change = { userId: string; what: 'devices' | 'role' }

export class Changes {
  readonly #events = new EventEmitter<{ change: [Change] }>()
  readonly #publish: (change: Change) => Promise<unknown>

  /** Without a subscriber only the pages of this process hear of a change. */
  constructor(client: Redis, subscriber: Redis | undefined, channel: string) {
    if (!subscriber) {
      this.#publish = async (change) => this.#events.emit('change', change)
      return
    }
    this.#publish = (change) => client.publish(channel, JSON.stringify(change))
    const hear = (message: string) => this.#events.emit('change', JSON.parse(message))
    subscriber.subscribe(channel, hear).catch((error) => console.error(error))
  }

  listen(listener: (change: Change) => void): void {
    this.#events.on('change', listener)
  }

  /** A page that misses it is out of date until it is next loaded: that is no reason to fail. */
  tell(userId: string, what: Change['what']): void {
    this.#publish({ userId, what }).catch((error) => console.error(error))
  }
}
