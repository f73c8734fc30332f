/** Listens on a channel for a store, across reconnects, until the store is closed. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { SubscriberClient } from '../redis/clients/client.ts'
import { isReply } from '../redis/replies.ts'
import { type ConnectionListener, onConnection } from './connection-events.ts'

/** The delays between attempts to subscribe, in ms. */
const delays = { first: 100, longest: 10_000 }

/** In ms: how long `close` waits for an answer if the connection may be down. */
const closingTime = 1000

/** The callbacks of a subscription. */
interface Told {
  /** Returns the channel to listen on. It is called again after each failure. */
  channel(): Promise<string>
  message(message: string): void
  /** Called at the first subscription, and after each reconnect: messages may have been lost meanwhile. */
  listening(): Promise<unknown>
  failed(error: unknown): void
}

export class Subscription implements ConnectionListener {
  readonly #closing = new AbortController()
  readonly #leave: () => void
  readonly #message = (message: string) => {
    if (!this.#closing.signal.aborted) this.tell.message(message)
  }
  /** The channel, after the first successful subscription. */
  #channel: string | undefined
  #attempts: Promise<void> = Promise.resolve()
  #isBusy = false
  #isOutdated = false
  #hasReported = false
  #closed: Promise<void> | undefined

  constructor(
    readonly client: SubscriberClient,
    /** The end of a channel name that no other subscription uses. */
    readonly probe: string,
    readonly tell: Told,
  ) {
    this.#leave = onConnection(client, this)
    if (client.isOpen) this.connected()
    else this.failed()
  }

  connected(): void {
    this.#isOutdated = true
    if (this.#isBusy) return
    this.#isBusy = true
    this.#attempts = this.#listen()
  }

  /** After the first subscription, the client itself reports lost connections. */
  failed(): void {
    if (this.#channel !== undefined || this.#hasReported) return
    this.#hasReported = true
    this.tell.failed(new Error('the subscriber is not connected'))
  }

  /** Ends the subscription and removes its listeners from the client. Further calls do nothing. */
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

  /**
   * Waits for the current attempt first. A client does not unsubscribe from a channel that it has not subscribed to
   * yet.
   */
  async #unsubscribe(): Promise<void> {
    await this.#attempts
    if (this.#channel === undefined || !this.client.isOpen) return
    try {
      await this.client.unsubscribe(this.#channel, this.#message as (message: unknown) => void)
    } catch (error) {
      if (isReply(error)) throw error
      if (this.client.isOpen) this.#unsubscribeLater()
    }
  }

  /** A client without an offline queue refuses commands while its connection is down, and then subscribes again. */
  #unsubscribeLater(): void {
    const connected = () => {
      leave()
      this.#unsubscribe().catch(ignore)
    }
    const leave = onConnection(this.client, { connected, failed: ignore, ended: () => leave() })
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
    // The answer comes on the connection that also carries the messages. So the subscription is active by then.
    const probe = `${channel}:${this.probe}`
    await this.client.subscribe(probe, ignore)
    await this.client.unsubscribe(probe, ignore)
    await this.tell.listening()
  }
}

function ignore(): void {}
