/** Sends the commands of several actors to Redis one at a time, in an order that a seed decides. */

import type { Faults } from './faults.ts'

/** The methods by which the package sends commands. */
const COMMANDS = new Set(['get', 'set', 'getDel', 'pExpireAt', 'eval', 'evalSha', 'scan', 'sendCommand'])

export class Turns {
  readonly #waiting: (() => void)[] = []
  readonly #random: () => number
  #busy: Promise<unknown> = Promise.resolve()
  #ended = false

  constructor(seed: number) {
    this.#random = mulberry32(seed)
  }

  /** A stand-in for `client` whose commands wait for their turn, and then meet `faults`. */
  through<Client extends object>(client: Client, faults?: Faults): Client {
    return new Proxy(client, {
      get: (target, property) => {
        const value: unknown = Reflect.get(target, property, target)
        if (typeof value !== 'function' || typeof property !== 'string') return value
        const method = (...args: unknown[]): unknown => Reflect.apply(value, target, args)
        const send = (args: unknown[]) => (faults ? faults.meet(() => method(...args)) : method(...args))
        if (COMMANDS.has(property)) return (...args: unknown[]) => this.#inTurn(() => send(args))
        if (property !== 'nodeClient') return method
        return async (...args: unknown[]) => this.through((await method(...args)) as object, faults)
      },
    })
  }

  /** Gives turns until all actors have ended. */
  async run<T>(actors: Promise<T>[]): Promise<T[]> {
    const results = Promise.all(actors).finally(() => {
      this.#ended = true
    })
    while (!this.#ended) {
      // After this, every actor that can continue has asked for its next command or has ended.
      await new Promise((resolve) => setImmediate(resolve))
      const [next] = this.#waiting.splice(Math.floor(this.#random() * this.#waiting.length), 1)
      next?.()
      await this.#busy
    }
    return results
  }

  #inTurn(send: () => unknown): Promise<unknown> {
    const reply = new Promise<void>((resolve) => this.#waiting.push(resolve)).then(() => {
      const sent = Promise.resolve(send())
      this.#busy = sent.catch(() => {})
      return sent
    })
    return reply
  }
}

/** Pseudorandom numbers from 0 to 1, always the same for the same seed. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
