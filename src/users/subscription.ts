/** Listens on a channel for a store, across lost connections, until the store is closed. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { SubscriberClient } from '../redis/clients/client.ts'
import { type ConnectionListener, onConnection } from './connection-events.ts'

export type { SubscriberClient } from '../redis/clients/client.ts'

/** In ms, between attempts to listen. */
const delays = { first: 100, longest: 10_000 }

/** In ms: how long `close` waits for an answer of a connection that may be down. */
const closingTime = 1000

/** What a subscription tells. */
export interface Told {
  /** The channel to listen on. Asked until it resolves. */
  channel(): Promise<string>
  message(message: string): void
  /** It listens: at first, and whenever the connection has come back, because messages may have been lost meanwhile. */
  listening(): Promise<unknown>
  failed(error: unknown): void
}

export class Subscription implements ConnectionListener {
  readonly #closing = new AbortController()
  readonly #leave: () => void
  readonly #message = (message: string) => {
    if (!this.#closing.signal.aborted) this.tell.message(message)
  }
  /** On which it has listened, at least once. */
  #channel: string | undefined
  #attempts: Promise<void> = Promise.resolve()
  #isBusy = false
  #isOutdated = false
  #hasReported = false
  #closed: Promise<void> | undefined

  constructor(
    readonly client: SubscriberClient,
    /** The name of a channel, after the channel's own, that nobody else listens to. */
    readonly probe: string,
    readonly tell: Told,
  ) {
    this.#leave = onConnection(client, this)
    if (client.isOpen) this.connected()
    else this.failed()
  }

  /** The connection is there, or has come back. */
  connected(): void {
    this.#isOutdated = true
    if (this.#isBusy) return
    this.#isBusy = true
    this.#attempts = this.#listen()
  }

  /** An attempt to connect has failed. A connection that is lost after it has listened is the client's to report. */
  failed(): void {
    if (this.#channel !== undefined || this.#hasReported) return
    this.#hasReported = true
    this.tell.failed(new Error('the subscriber is not connected'))
  }

  /** Ends it, and takes its listeners off the client. May be called again. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.#leave()
    this.#closing.abort()
    const waiting = new AbortController()
    const enough = sleep(closingTime, undefined, { signal: waiting.signal }).catch(ignore)
    try {
      await Promise.race([this.#unsubscribe(), enough])
    } finally {
      waiting.abort()
    }
  }

  /** After the attempts that are under way: a client forgets to unsubscribe what it has not subscribed yet. */
  async #unsubscribe(): Promise<void> {
    await this.#attempts
    if (this.#channel === undefined || !this.client.isOpen) return
    try {
      await this.client.unsubscribe(this.#channel, this.#message as (message: unknown) => void)
    } catch (error) {
      if (this.client.isOpen) throw error
    }
  }

  async #listen(): Promise<void> {
    const { signal } = this.#closing
    for (let delay = delays.first; this.#isOutdated; delay = Math.min(2 * delay, delays.longest)) {
      this.#isOutdated = false
      try {
        await this.#listenAndTell()
      } catch (error) {
        if (signal.aborted) break
        const wasClosed = !this.client.isOpen
        if (!wasClosed || this.#channel === undefined) this.tell.failed(error)
        if (wasClosed) break
        this.#isOutdated = true
        await sleep(delay, undefined, { ref: false, signal }).catch(ignore)
      }
      if (signal.aborted) break
    }
    this.#isBusy = false
  }

  async #listenAndTell(): Promise<void> {
    const channel = await this.tell.channel()
    await this.client.subscribe(channel, this.#message)
    this.#channel = channel
    if (this.#closing.signal.aborted) return
    // An answer on the connection that the messages come on: it listens again by now.
    const probe = `${channel}:${this.probe}`
    await this.client.subscribe(probe, ignore)
    await this.client.unsubscribe(probe, ignore)
    await this.tell.listening()
  }
}

function ignore(): void {}
