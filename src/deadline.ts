import { setMaxListeners } from 'node:events'
import type { SessionClient } from './client.ts'

/** A client whose command options can be replaced for some of its commands. */
interface ConfigurableClient extends SessionClient {
  _commandOptions: { timeout: number; abortSignal?: unknown }
  withCommandOptions(options: object): SessionClient
}

/** For how long, and how many, commands get the same deadline. */
const SHARED_MS = 50
const SHARED_BY = 32

/**
 * node-redis gives every command a timer of its own (`commandOptions.timeout`), which costs more than all else that it does for
 * a command. Here commands that are issued within some milliseconds of each other share one: each gets at least its
 * timeout and at most `SHARED_MS` more, and one that Redis has not been sent by then is taken back, as before.
 */
class Deadlines {
  #client: SessionClient
  #left = 0
  #until = 0

  constructor(readonly configurable: ConfigurableClient) {
    this.#client = configurable
  }

  /** The client for the next command. */
  next(): SessionClient {
    const now = performance.now()
    if (this.#left === 0 || now >= this.#until) this.#renew(now)
    this.#left -= 1
    return this.#client
  }

  #renew(now: number): void {
    const { _commandOptions: options } = this.configurable
    const abortSignal = AbortSignal.timeout(options.timeout + SHARED_MS)
    setMaxListeners(0, abortSignal)
    this.#client = this.configurable.withCommandOptions({ ...options, timeout: undefined, abortSignal })
    this.#left = SHARED_BY
    this.#until = now + SHARED_MS
  }
}

const deadlines = new WeakMap<SessionClient, Deadlines | null>()

/** The client to issue one command with, now: the one that is given, but that its commands share deadlines. */
export function sharingDeadline(client: SessionClient): SessionClient {
  let known = deadlines.get(client)
  if (known === undefined) {
    known = isConfigurable(client) ? new Deadlines(client) : null
    deadlines.set(client, known)
  }
  return known === null ? client : known.next()
}

/** Whoever has set a signal of his own keeps it, and so does whoever has wrapped the client's methods. */
function isConfigurable(client: SessionClient): client is ConfigurableClient {
  const { _commandOptions: options, withCommandOptions } = client as Partial<ConfigurableClient>
  if (typeof withCommandOptions !== 'function' || typeof options !== 'object') return false
  if (!Number.isInteger(options.timeout) || options.timeout <= 0 || options.abortSignal) return false
  const configured = (client as ConfigurableClient).withCommandOptions(options)
  return (['get', 'eval', 'evalSha'] as const).every((method) => configured[method] === client[method])
}
