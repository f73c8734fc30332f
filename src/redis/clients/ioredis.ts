/**
 * Adapts ioredis and iovalkey: clients (also with Sentinel) and Clusters. Their shape identifies them; neither library
 * is imported.
 */
import { setTimeout } from 'node:timers/promises'
import {
  type ClusterClient,
  type ConnectionClient,
  hasMethods,
  type ScriptArguments,
  type SessionClient,
  type SetArguments,
  type SubscriberClient,
} from './client.ts'
import { namingCluster } from './cluster-endpoint.ts'

/** The methods that this package needs of a `Redis` or a `Cluster` of ioredis or iovalkey. */
export interface IoredisClient {
  readonly status: string
  call(command: string, args: (string | number)[]): Promise<unknown>
  get(key: string): Promise<unknown>
  getdel(key: string): Promise<unknown>
  pexpireat(key: string, msSince1970: number, mode: 'GT'): Promise<unknown>
  eval(script: string, numberOfKeys: number, ...keysAndArguments: string[]): Promise<unknown>
  evalsha(sha1: string, numberOfKeys: number, ...keysAndArguments: string[]): Promise<unknown>
  scan(
    cursor: string,
    match: 'MATCH',
    pattern: string,
    count: 'COUNT',
    size: number,
  ): Promise<[cursor: unknown, keys: unknown[]]>
  wait(replicas: number, timeoutMs: number): Promise<unknown>
}

/** The methods that a subscriber of ioredis or iovalkey needs. */
export interface IoredisSubscriber {
  readonly status: string
  subscribe(channel: string): Promise<unknown>
  unsubscribe(channel: string): Promise<unknown>
  on(event: string, listener: (...args: string[]) => void): unknown
  off(event: string, listener: (...args: string[]) => void): unknown
}

interface IoredisCluster extends IoredisClient {
  /** For each slot, `host:port` of its master, and then of its replicas. */
  readonly slots: readonly (readonly string[] | undefined)[]
  /** Private. */
  readonly isRefreshing?: boolean
  /** Asks a node for `slots`, and makes a connection for each node that has none. */
  refreshSlotsCache(callback: (error?: Error | null) => void): void
  /** The masters that have a connection, or had none yet. */
  nodes(role: 'master'): ClusterNode[]
}

interface ClusterNode extends IoredisClient {
  readonly options: { host?: string; port?: number }
}

export function isIoredis(given: object): boolean {
  return (
    typeof Reflect.get(given, 'status') === 'string' &&
    hasMethods(given, ['call', 'get', 'pexpireat', 'evalsha', 'scan'])
  )
}

/** Returns why a client of ioredis cannot be used for sessions, or `undefined` if it can. */
export function ioredisProblem(given: object): string | undefined {
  const { options } = given as { options?: Options }
  const all = [options, options?.redisOptions].filter((each) => each !== undefined)
  if (all.some(({ keyPrefix }) => keyPrefix)) {
    return 'without keyPrefix, which SCAN ignores: use prefix and userPrefix'
  }
  if ('nodes' in given && options && mixesPipelines(options)) {
    return 'without enableAutoPipelining: on Cluster, this client library mixes keys of several nodes in one pipeline'
  }
  const readsReplicas = ({ scaleReads = 'master', readOnly, role }: Options) =>
    scaleReads !== 'master' || readOnly === true || role === 'slave'
  return all.some(readsReplicas)
    ? 'without reads from replicas (scaleReads, readOnly, role), which can serve a session after its revocation'
    : undefined
}

/**
 * iovalkey, and ioredis before 5.11, choose the pipeline by the first argument of a command. For EVALSHA that is the
 * hash of the script, and the command fails. Since 5.11.1 ioredis has another new option, which tells it apart.
 */
function mixesPipelines(options: Options): boolean {
  return Boolean(options.enableAutoPipelining) && !('clusterNodeRetryStrategy' in options)
}

interface Options {
  enableAutoPipelining?: unknown
  keyPrefix?: unknown
  scaleReads?: unknown
  readOnly?: unknown
  role?: unknown
  redisOptions?: Options
}

/** Returns the client that the rest of the package uses instead of this one. */
export function adaptIoredis(given: object): SessionClient {
  return 'nodes' in given ? new Cluster(given as IoredisCluster) : new Client(given as IoredisClient)
}

class Client implements ConnectionClient {
  constructor(readonly given: IoredisClient) {}

  get(key: string): Promise<unknown> {
    return this.#reply(this.given.get(key))
  }

  set(key: string, value: string, { expiration, condition, matchValue }: SetArguments): Promise<unknown> {
    const args = [key, value]
    if (condition) args.push(condition)
    if (matchValue !== undefined) args.push(matchValue)
    return this.#reply(this.given.call('set', [...args, expiration.type, String(expiration.value)]))
  }

  getDel(key: string): Promise<unknown> {
    return this.#reply(this.given.getdel(key))
  }

  pExpireAt(key: string, msSince1970: number, mode: 'GT'): Promise<unknown> {
    return this.#reply(this.given.pexpireat(key, msSince1970, mode))
  }

  eval(script: string, { keys = [], arguments: args = [] }: ScriptArguments): Promise<unknown> {
    return this.#reply(this.given.eval(script, keys.length, ...keys, ...args))
  }

  evalSha(sha1: string, { keys = [], arguments: args = [] }: ScriptArguments): Promise<unknown> {
    return this.#reply(this.given.evalsha(sha1, keys.length, ...keys, ...args))
  }

  async scan(cursor: string, { MATCH, COUNT }: { MATCH: string; COUNT: number }) {
    const [next, keys] = await this.#reply(this.given.scan(cursor, 'MATCH', MATCH, 'COUNT', COUNT))
    return { cursor: next, keys }
  }

  wait(replicas: number, timeoutMs: number): Promise<unknown> {
    return this.#reply(this.given.wait(replicas, timeoutMs))
  }

  async #reply<T>(reply: Promise<T>): Promise<T> {
    try {
      return await reply
    } catch (error) {
      throw namingCluster(this, withoutArguments(error))
    }
  }
}

class Cluster extends Client implements ClusterClient {
  #refresh: Promise<void> | undefined

  get masters(): readonly unknown[] {
    return (this.given as IoredisCluster).nodes('master')
  }

  /** `masters` lacks each master whose connection was lost, until some command goes there. */
  async findMasters(): Promise<readonly unknown[]> {
    const cluster = this.given as IoredisCluster
    // Like any command, this one connects the client, and waits or fails while the client is not connected.
    if (cluster.status !== 'ready') await cluster.call('time', [])
    this.#refresh ??= refreshed(cluster).finally(() => {
      this.#refresh = undefined
    })
    await this.#refresh
    return mastersOfAllSlots(cluster)
  }

  nodeClient(node: unknown): ConnectionClient {
    return new Client(node as IoredisClient)
  }
}

/** How often this file looks whether a refresh is over, in ms. */
const POLL_MS = 5

/** iovalkey calls back at once while another refresh is on its way, so that one is waited for. It ends by a timeout. */
async function refreshed(cluster: IoredisCluster): Promise<void> {
  while (cluster.isRefreshing) await setTimeout(POLL_MS)
  await new Promise<void>((resolve, reject) => {
    cluster.refreshSlotsCache((error) => (error ? reject(error) : resolve()))
  })
}

const SLOTS = 16_384

/** Returns the masters. Throws if one is missing that has slots, or if nobody has a slot. */
function mastersOfAllSlots(cluster: IoredisCluster): ClusterNode[] {
  const masters = cluster.nodes('master')
  const addresses = new Set(masters.map(({ options }) => `${options.host}:${options.port}`))
  for (let slot = 0; slot < SLOTS; slot++) {
    if (addresses.has(cluster.slots[slot]?.[0] ?? '')) continue
    throw new Error(`Redis Cluster: the client knows no master for slot ${slot}; is the Cluster complete?`)
  }
  return masters
}

/** ioredis adds the command with its arguments to the error. A log would then show session ids and data. */
function withoutArguments(error: unknown): unknown {
  const { command } = Object(error) as { command?: { name?: unknown } }
  if (typeof command === 'object') Object.assign(error as object, { command: { name: command.name } })
  return error
}

export function isIoredisSubscriber(given: object): boolean {
  return (
    typeof Reflect.get(given, 'status') === 'string' &&
    hasMethods(given, ['subscribe', 'unsubscribe', 'on', 'off', 'psubscribe'])
  )
}

type Listener = (message: string) => void

/** ioredis emits the messages of all channels as one event. */
export class IoredisSubscription implements SubscriberClient {
  readonly #listeners = new Map<string, Set<Listener>>()

  constructor(readonly given: IoredisSubscriber) {
    given.on('message', (channel = '', message = '') => {
      for (const listener of this.#listeners.get(channel) ?? []) listener(message)
    })
  }

  get isOpen(): boolean {
    return this.given.status !== 'end'
  }

  async subscribe(channel: string, listener: Listener): Promise<void> {
    const listeners = this.#listeners.get(channel) ?? new Set()
    this.#listeners.set(channel, listeners.add(listener))
    await this.given.subscribe(channel)
  }

  async unsubscribe(channel: string, listener: Listener): Promise<void> {
    const listeners = this.#listeners.get(channel)
    listeners?.delete(listener)
    if (listeners && listeners.size > 0) return
    this.#listeners.delete(channel)
    await this.given.unsubscribe(channel)
  }

  on(event: string, listener: () => void): void {
    this.given.on(eventName(event), listener)
  }

  off(event: string, listener: () => void): void {
    this.given.off(eventName(event), listener)
  }
}

/** A Cluster uses another event name for "the subscribing connection has moved to another node". */
function eventName(event: string): string {
  return event === 'node-ready' ? '+subscriber' : event
}
