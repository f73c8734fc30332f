/** Sends the commands of several actors to Redis one at a time, in an order that a seed decides. */

import type { Faults } from './faults.ts'

/** The methods by which the package sends commands. */
const COMMANDS = new Set(['get', 'set', 'getDel', 'pExpireAt', 'eval', 'evalSha', 'scan', 'sendCommand'])

/** How often a turn goes to any actor, slow or not. */
const ANY = 0.1
/** How often other actors become the slow ones. */
const CHANGE = 0.03

interface Waiting {
  actor: object | undefined
  proceed: () => void
}

export class Turns {
  readonly #waiting: Waiting[] = []
  readonly #random: () => number
  /** A slow actor gets few turns, so one call of it lasts as long as many calls of the others. */
  readonly #isSlow = new Map<object | undefined, boolean>()
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
        if (COMMANDS.has(property)) return (...args: unknown[]) => this.#inTurn(faults, () => send(args))
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
      this.#next()?.proceed()
      await this.#busy
    }
    return results
  }

  #next(): Waiting | undefined {
    if (this.#random() < CHANGE) this.#isSlow.clear()
    const quick = this.#waiting.filter(({ actor }) => !this.#slow(actor))
    const candidates = quick.length === 0 || this.#random() < ANY ? this.#waiting : quick
    const next = candidates[Math.floor(this.#random() * candidates.length)]
    if (next) this.#waiting.splice(this.#waiting.indexOf(next), 1)
    return next
  }

  #slow(actor: object | undefined): boolean {
    if (!this.#isSlow.has(actor)) this.#isSlow.set(actor, this.#random() < 0.5)
    return this.#isSlow.get(actor) === true
  }

  #inTurn(actor: object | undefined, send: () => unknown): Promise<unknown> {
    const turn = new Promise<void>((proceed) => this.#waiting.push({ actor, proceed }))
    return turn.then(() => {
      const sent = Promise.resolve(send())
      this.#busy = sent.catch(() => {})
      return sent
    })
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
