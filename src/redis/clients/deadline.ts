/**
 * Timeouts for node-redis at a lower cost. With `commandOptions.timeout`, node-redis makes a timer and an `AbortSignal`
 * for every command. They cost more than everything else that it does for the command.
 *
 * Here, commands that are sent within some milliseconds share one signal. Each command gets at least its timeout, and
 * at most 50 ms or 1 % more. A command that could not be sent to Redis by then is taken back. It rejects with the
 * client's own `TimeoutError`.
 */

/** The members of a plain node-redis client that this file needs. `_commandOptions` is private. */
export interface ConfigurableClient {
  _commandOptions: { timeout: number; abortSignal?: unknown }
  withCommandOptions(options: object): this
  createPool(options: object): PoolOfNone
}

interface PoolOfNone {
  connect(): Promise<unknown>
  execute(work: () => void): Promise<unknown>
  destroy(): void
}

type ErrorClass = new (message: string) => Error

/**
 * In ms: how long commands share a deadline. For long timeouts it is a share of the timeout instead, so that there are
 * few deadlines.
 */
const SHARED_MS = 50
const SHARE = 1 / 100

/** Node treats a longer timer as one of 1 ms. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** The deadlines of one client. */
export class Deadlines<Client extends ConfigurableClient> {
  #current: Deadline<Client> | undefined
  #timeoutError: Promise<ErrorClass> | undefined

  constructor(readonly configurable: Client) {}

  /** Returns the deadline for a command that is sent now. A deadline that has passed is never used again. */
  next(): Deadline<Client> {
    const now = performance.now()
    const current = this.#current
    if (current && now < current.until && !current.signal.aborted) return current
    this.#current = this.#begin(now)
    return this.#current
  }

  #begin(now: number): Deadline<Client> {
    const { _commandOptions: options } = this.configurable
    const shared = Math.max(SHARED_MS, options.timeout * SHARE)
    const signal = signalIn(Math.min(options.timeout + shared, LONGEST_TIMER_MS))
    const client = this.configurable.withCommandOptions({
      ...options,
      timeout: undefined,
      abortSignal: signal,
    })
    return { client, signal, until: now + shared }
  }

  /** Turns an abort at the deadline into the error that the client itself would have given. */
  async errorOf(error: unknown, { signal }: Deadline<Client>): Promise<unknown> {
    if (!signal.aborted || !isAbort(error)) return error
    this.#timeoutError ??= timeoutErrorOf(this.configurable)
    const { timeout } = this.configurable._commandOptions
    return new (await this.#timeoutError)(`Redis was not sent the command within ${timeout} ms`)
  }
}

interface Deadline<Client> {
  /** The client that sends the commands. It takes them back when `signal` fires. */
  client: Client
  signal: AbortSignal
  /** Until when new commands share this deadline, by `performance.now()`. */
  until: number
}

/**
 * Same as `AbortSignal.timeout`, but with cheap listeners. Adding or removing one stays cheap, however many there are.
 */
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

/** node-redis gives its `AbortError` no name, only this message. */
function isAbort(error: unknown): boolean {
  return error instanceof Error && error.message === 'The command was aborted'
}

/**
 * Finds the class `TimeoutError` in the client's own copy of node-redis. A pool that may open no connection rejects
 * with this class.
 */
async function timeoutErrorOf(client: ConfigurableClient): Promise<ErrorClass> {
  const pool = client.createPool({ minimum: 0, maximum: 0, acquireTimeout: 1 })
  await pool.connect()
  try {
    await pool.execute(() => {})
  } catch (error) {
    return (error as Error).constructor as ErrorClass
  } finally {
    pool.destroy()
  }
  return Error
}

/**
 * Whether this file may replace the client's signal. It leaves a client alone that has a signal already, or whose
 * methods are wrapped.
 */
export function isConfigurable(client: object, methods: readonly string[]): client is ConfigurableClient {
  const { _commandOptions: options, withCommandOptions, createPool } = client as Partial<ConfigurableClient>
  if (typeof withCommandOptions !== 'function' || typeof createPool !== 'function') return false
  if (typeof options !== 'object' || options.abortSignal) return false
  if (!Number.isInteger(options.timeout) || options.timeout <= 0) return false
  const configured = (client as ConfigurableClient).withCommandOptions(options)
  return methods.every((name) => Reflect.get(configured, name) === Reflect.get(client, name))
}
