/**
 * node-redis gives every command a timer and an `AbortSignal` of its own (`commandOptions.timeout`). They cost more than all else that it
 * does for a command. Here commands that are issued within some milliseconds of each other share one signal. Each gets at
 * least its timeout, and at most 50 ms or a hundredth more. A command that Redis was not sent by then is taken back, and rejects with
 * the client's own `TimeoutError`.
 */

/** The parts of a plain node-redis client that this needs; `_commandOptions` is private. */
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

/** In ms: for how long commands get the same deadline. It is a share of their timeout if that is longer, so that deadlines stay few. */
const SHARED_MS = 50
const SHARE = 1 / 100

/** Node takes a longer one for one of 1 ms. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** The deadlines of one client. */
export class Deadlines<Client extends ConfigurableClient> {
  #current: Deadline<Client> | undefined
  #timeoutError: Promise<ErrorClass> | undefined

  constructor(readonly configurable: Client) {}

  /** The deadline for a command that is sent now. One that has fired is never used again, whatever the clocks say. */
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

  /** The error that the client itself would have given. */
  async errorOf(error: unknown, { signal }: Deadline<Client>): Promise<unknown> {
    if (!signal.aborted || !isAbort(error)) return error
    this.#timeoutError ??= timeoutErrorOf(this.configurable)
    const { timeout } = this.configurable._commandOptions
    return new (await this.#timeoutError)(`Redis was not sent the command within ${timeout} ms`)
  }
}

interface Deadline<Client> {
  /** The client to send commands with: it takes them back when `signal` fires. */
  client: Client
  signal: AbortSignal
  /** For how long other commands get it too, by `performance.now()`. */
  until: number
}

/** As `AbortSignal.timeout`, but to add and remove a listener costs next to nothing, however many there are. */
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

/** The message of node-redis's `AbortError`, which has no name of its own. */
function isAbort(error: unknown): boolean {
  return error instanceof Error && error.message === 'The command was aborted'
}

/** Only the client's own copy of node-redis has the class. A pool that may not have a single client gives one of its errors. */
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

/** Whoever has set a signal of their own keeps it, and so does whoever has wrapped the client's methods. */
export function isConfigurable(client: object, methods: readonly string[]): client is ConfigurableClient {
  const { _commandOptions: options, withCommandOptions, createPool } = client as Partial<ConfigurableClient>
  if (typeof withCommandOptions !== 'function' || typeof createPool !== 'function') return false
  if (typeof options !== 'object' || options.abortSignal) return false
  if (!Number.isInteger(options.timeout) || options.timeout <= 0) return false
  const configured = (client as ConfigurableClient).withCommandOptions(options)
  return methods.every((name) => Reflect.get(configured, name) === Reflect.get(client, name))
}
