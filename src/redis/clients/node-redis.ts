/** Adapts node-redis 5 and 6: clients, pools, Sentinels and Clusters. */
import {
  type ClusterClient,
  type ConnectionClient,
  hasMethods,
  isCluster,
  type LendingClient,
  type ScriptArguments,
  type SessionClient,
  type SetArguments,
} from './client.ts'
import { namingCluster } from './cluster-endpoint.ts'
import { type ConfigurableClient, Deadlines, isConfigurable } from './deadline.ts'

/** The methods that every kind of client has. */
interface NodeRedis extends ConnectionClient {
  /** Each kind of client takes other arguments. */
  sendCommand(...args: unknown[]): Promise<unknown>
}

/** The methods that this package calls on a client. */
const commands = ['get', 'set', 'getDel', 'pExpireAt', 'eval', 'evalSha', 'scan', 'sendCommand'] as const

/** Whether node-redis made the object. Every kind of its clients has `_self`, and no other library uses that name. */
export function isNodeRedis(given: object): boolean {
  return '_self' in given && hasMethods(given, commands)
}

/** Returns why an object of node-redis cannot be used for sessions, or `undefined` if it can. */
export function nodeRedisProblem(given: object): string | undefined {
  if (!('_self' in given)) {
    if ('exec' in given && 'execAsPipeline' in given) return 'a client, not a transaction of one (multi)'
    return 'GET' in given && 'sendCommand' in given && !('connect' in given)
      ? 'a client, not one made by legacy(), which gives no promises'
      : undefined
  }
  const problem = problems.find(([has]) => optionsOf(given).some(has))
  return problem?.[1]
}

interface Options {
  keyPrefix?: unknown
  clientSideCache?: unknown
  useReplicas?: unknown
  replicaPoolSize?: unknown
  readonly?: unknown
  defaults?: Options
  nodeClientOptions?: Options
}

const problems: [has: (options: Options) => boolean, rule: string][] = [
  [({ keyPrefix }) => Boolean(keyPrefix), 'without keyPrefix, which SCAN ignores: use prefix and userPrefix'],
  [
    ({ clientSideCache }) => Boolean(clientSideCache),
    'without clientSideCache, which can serve a session after its revocation',
  ],
  [
    ({ useReplicas, replicaPoolSize, readonly }) =>
      Boolean(useReplicas || readonly || Number(replicaPoolSize) > 0),
    'without reads from replicas (useReplicas, replicaPoolSize, readonly), which can serve a session after its revocation',
  ],
]

/**
 * Returns all options of a client that can be found. They are private: each kind of client and each version keeps them
 * elsewhere.
 */
function optionsOf(given: object): Options[] {
  const { _keyPrefix, clientSideCache, options, _options } = given as Record<string, unknown>
  const own = [options, _options, sentinelOptions(given), pooledOptions(given)].filter(isOptions)
  const nested = own.flatMap(({ defaults, nodeClientOptions }) => [defaults, nodeClientOptions])
  return [{ keyPrefix: _keyPrefix, clientSideCache }, ...own, ...nested.filter(isOptions)]
}

function isOptions(value: unknown): value is Options {
  return typeof value === 'object' && value !== null
}

/**
 * A Sentinel client shows its options only to the constructor of a duplicate. node-redis 5 cannot duplicate a Sentinel
 * client.
 */
function sentinelOptions(given: object): unknown {
  const { use, _self } = given as Record<string, unknown>
  const { duplicate } = Object(_self) as Record<string, unknown>
  if (typeof use !== 'function' || typeof duplicate !== 'function') return undefined
  let seen: unknown
  class Seeing {
    constructor(options: unknown) {
      seen = options
    }
  }
  try {
    duplicate.call(Object.assign(Object.create(Seeing.prototype), { _self }))
  } catch {
    return undefined
  }
  return seen
}

/** A pool shows its options only through a connection that it lends. With an idle connection, it does so at once. */
function pooledOptions(given: object): unknown {
  const { idleClients } = given as { idleClients?: unknown }
  if (!(Number(idleClients) > 0)) return undefined
  let seen: unknown
  try {
    const look = (client: object) => {
      seen = (client as { options?: unknown }).options
    }
    ;(given as { execute(work: typeof look): Promise<unknown> }).execute(look).catch(() => {})
  } catch {
    return undefined
  }
  return seen
}

/** Returns the client that the rest of the package uses instead of this one. */
export function adaptNodeRedis(given: object): SessionClient {
  const client = given as NodeRedis
  if (isCluster(client)) return new NodeRedisCluster(client)
  if ('use' in client) return new NodeRedisSentinel(client)
  if ('execute' in client) return new NodeRedisPool(client)
  return 'release' in client ? new NodeRedisLease(client) : new NodeRedisClient(client)
}

class NodeRedisClient implements ConnectionClient {
  readonly #deadlines: Deadlines<NodeRedis & ConfigurableClient> | null

  constructor(readonly given: NodeRedis) {
    this.#deadlines = isConfigurable(given, commands) ? new Deadlines(given) : null
  }

  get(key: string): Promise<unknown> {
    return this.send((client) => client.get(key))
  }

  set(key: string, value: string, options: SetArguments): Promise<unknown> {
    if (options.condition !== 'IFEQ') return this.send((client) => client.set(key, value, options as never))
    return this.send((client) => this.sendRaw(client, key, setIfEqual(key, value, options)))
  }

  getDel(key: string): Promise<unknown> {
    return this.send((client) => client.getDel(key))
  }

  pExpireAt(key: string, msSince1970: number, mode: 'GT'): Promise<unknown> {
    return this.send((client) => client.pExpireAt(key, msSince1970, mode))
  }

  eval(script: string, options: ScriptArguments): Promise<unknown> {
    return this.send((client) => client.eval(script, options))
  }

  evalSha(sha1: string, options: ScriptArguments): Promise<unknown> {
    return this.send((client) => client.evalSha(sha1, options))
  }

  scan(cursor: string, options: { MATCH: string; COUNT: number }) {
    return this.send((client) => client.scan(cursor, options))
  }

  wait(replicas: number, timeoutMs: number): Promise<unknown> {
    return this.send((client) => client.wait(replicas, timeoutMs))
  }

  protected async send<T>(command: (client: NodeRedis) => Promise<T>): Promise<T> {
    const deadline = this.#deadlines?.next()
    try {
      return await command(deadline?.client ?? this.given)
    } catch (error) {
      throw namingCluster(this, deadline ? await this.#deadlines?.errorOf(error, deadline) : error)
    }
  }

  protected sendRaw(client: NodeRedis, _key: string, args: string[]): Promise<unknown> {
    return client.sendCommand(args)
  }
}

/** node-redis supports `IFEQ` since 5.10. Older versions drop the value. */
function setIfEqual(key: string, value: string, { expiration, matchValue }: SetArguments): string[] {
  return ['SET', key, value, 'IFEQ', matchValue ?? '', expiration.type, String(expiration.value)]
}

class NodeRedisPool extends NodeRedisClient implements LendingClient {
  #isChecked = pooledOptions(this.given) !== undefined

  execute<T>(work: (client: ConnectionClient) => Promise<T>): Promise<T> {
    return (this.given as NodeRedis & LendingClient).execute((client) => work(adapted(client)))
  }

  /** A pool without an idle connection could not be checked before, so its connections are checked here. */
  protected override send<T>(command: (client: NodeRedis) => Promise<T>): Promise<T> {
    if (!this.#isChecked) {
      const problem = nodeRedisProblem(this.given)
      if (problem) return Promise.reject(new TypeError(`client must be ${problem}`))
      this.#isChecked = pooledOptions(this.given) !== undefined
    }
    return super.send(command)
  }
}

/** A connection to the master that a Sentinel client lends. */
class NodeRedisLease extends NodeRedisClient {
  protected override sendRaw(client: NodeRedis, _key: string, args: string[]): Promise<unknown> {
    return client.sendCommand(false, args)
  }
}

class NodeRedisSentinel extends NodeRedisLease implements LendingClient {
  /** If true, the client may read from replicas. Then reads are sent in the same way as writes. */
  readonly #hidesOptions = sentinelOptions(this.given) === undefined

  override get(key: string): Promise<unknown> {
    if (!this.#hidesOptions) return super.get(key)
    return this.send((client) => this.sendRaw(client, key, ['GET', key]))
  }

  override async scan(cursor: string, options: { MATCH: string; COUNT: number }) {
    if (!this.#hidesOptions) return super.scan(cursor, options)
    const args = ['SCAN', cursor, 'MATCH', options.MATCH, 'COUNT', String(options.COUNT)]
    const reply = await this.send((client) => this.sendRaw(client, '', args))
    const [next, keys] = reply as [cursor: unknown, keys: unknown[]]
    return { cursor: next, keys }
  }

  execute<T>(work: (client: ConnectionClient) => Promise<T>): Promise<T> {
    const { use } = this.given as NodeRedis & { use: LendingClient['execute'] }
    return use.call(this.given, (client) => work(adapted(client))) as Promise<T>
  }
}

class NodeRedisCluster extends NodeRedisClient implements ClusterClient {
  get masters(): readonly unknown[] {
    return (this.given as NodeRedis & ClusterClient).masters
  }

  async nodeClient(node: unknown): Promise<ConnectionClient> {
    return adapted((await (this.given as NodeRedis & ClusterClient).nodeClient(node)) as NodeRedis)
  }

  protected override sendRaw(client: NodeRedis, key: string, args: string[]): Promise<unknown> {
    return client.sendCommand(key, false, args)
  }
}

const adaptedClients = new WeakMap<object, ConnectionClient>()

/**
 * Returns the adapter of a connection that a client has lent. The client lends the same connections again and again.
 */
function adapted(client: object): ConnectionClient {
  const known = adaptedClients.get(client) ?? (adaptNodeRedis(client) as ConnectionClient)
  adaptedClients.set(client, known)
  return known
}
