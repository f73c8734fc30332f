import type { SessionClient } from './client.ts'

/** A client whose command options can be replaced for some of its commands. */
interface ConfigurableClient extends SessionClient {
  _commandOptions: { timeout: number; abortSignal?: unknown }
  withCommandOptions(options: object): SessionClient
}

/** For how long commands get the same deadline: this, or a share of their timeout if that is longer, so that deadlines stay few. */
const SHARED_MS = 50
const SHARE = 1 / 100

/** Node takes a longer one for one of 1 ms. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/**
 * node-redis gives every command a timer and an `AbortSignal` of its own (`commandOptions.timeout`), which costs more than all else
 * that it does for a command. Here commands that are issued within some milliseconds of each other share one: each gets at least
 * its timeout and at most 50 ms or a hundredth more, and one that Redis has not been sent by then is taken back, as before.
 */
class Deadlines {
  #client: SessionClient
  #until = 0

  constructor(readonly configurable: ConfigurableClient) {
    this.#client = configurable
  }

  /** The client for the next command. */
  next(): SessionClient {
    const now = performance.now()
    if (now >= this.#until) this.#renew(now)
    return this.#client
  }

  #renew(now: number): void {
    const { _commandOptions: options } = this.configurable
    const shared = Math.max(SHARED_MS, options.timeout * SHARE)
    const abortSignal = signalIn(Math.min(options.timeout + shared, LONGEST_TIMER_MS))
    this.#client = this.configurable.withCommandOptions({ ...options, timeout: undefined, abortSignal })
    this.#until = now + shared
  }
}

/** As `AbortSignal.timeout`, but that to add and remove a listener costs next to nothing, however many there are. */
function signalIn(ms: number): AbortSignal {
  const controller = new AbortController()
  const listeners = new Set<() => void>()
  const timer = setTimeout(() => {
    controller.abort()
    for (const listener of listeners) listener()
  }, ms)
  timer.unref()
  return Object.assign(controller.signal, {
    addEventListener: (_type: string, listener: () => void) => void listeners.add(listener),
    removeEventListener: (_type: string, listener: () => void) => void listeners.delete(listener),
  })
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
