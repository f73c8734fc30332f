import { setTimeout } from 'node:timers/promises'

/** The part of a node-redis client that listens to other processes: a connection of its own, beside the store's client. */
export interface SubscriberClient {
  readonly isOpen: boolean
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>
  unsubscribe(channel: string, listener: (message: unknown) => void): Promise<unknown>
  on(event: string, listener: () => void): unknown
}

/** In ms, between attempts to listen. */
const delays = { first: 100, longest: 10_000 }

/**
 * Keeps listening on a channel, and calls `listening` when it does: at first, and whenever the connection has come back, because
 * messages may have been lost meanwhile.
 */
export class Subscription {
  #isBusy = false
  #isOutdated = false
  #hasListened = false

  constructor(
    readonly client: SubscriberClient,
    readonly channel: string,
    /** A channel that nobody else listens to. */
    readonly probe: string,
    readonly tell: {
      message(message: string): void
      listening(): Promise<unknown>
      failed(error: unknown): void
    },
  ) {
    // What its connection says, each kind of client in its own way. That of a Sentinel client is known only by its errors.
    const events = 'use' in client ? ['error', 'topology-change'] : ['ready', 'node-ready']
    for (const event of events) client.on(event, () => void this.#listen())
    void this.#listen()
  }

  async #listen(): Promise<void> {
    this.#isOutdated = true
    if (this.#isBusy) return
    this.#isBusy = true
    for (let delay = delays.first; this.#isOutdated; delay = Math.min(2 * delay, delays.longest)) {
      this.#isOutdated = false
      try {
        await this.#listenAndTell()
      } catch (error) {
        const wasClosed = !this.client.isOpen
        if (!wasClosed || !this.#hasListened) this.tell.failed(error)
        if (wasClosed) break
        this.#isOutdated = true
        await setTimeout(delay, undefined, { ref: false })
      }
    }
    this.#isBusy = false
  }

  async #listenAndTell(): Promise<void> {
    await this.client.subscribe(this.channel, this.tell.message)
    this.#hasListened = true
    // An answer on the connection that the messages come on: it listens again by now.
    await this.client.subscribe(this.probe, ignore)
    await this.client.unsubscribe(this.probe, ignore)
    await this.tell.listening()
  }
}

function ignore(): void {}
