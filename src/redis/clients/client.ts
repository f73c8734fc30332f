/**
 * The small interface that the rest of the package uses to talk to Redis. It has the shape of a node-redis client.
 *
 * To support another client library, add a file here that makes a `SessionClient` of its clients, as `ioredis.ts` does,
 * and call it in `supported.ts`. To hear of revocations in other processes, it also needs a `SubscriberClient`.
 * `users/connection-events.ts` has the names of the events that such a client emits. `database.ts` finds the number of
 * the database. For `waitForReplicas`, `users/replication.ts` takes one connection of a pool. Apps can also pass in any object that has the methods of `SessionClient`.
 */

/**
 * The commands that this package needs of a client. Modules, scripts and type mapping of the client do not matter:
 * replies may be strings, numbers or buffers.
 *
 * A failed command rejects with the client's own `Error`. If Redis sent an error, the error's message must be what Redis
 * sent. This package looks for codes at its start, such as `NOSCRIPT` or `WRONGTYPE`.
 */
export interface SessionClient extends ScanningClient {
  /** Reads a key, always from the master. Resolves to `null` if there is no such key. */
  get(key: string): Promise<unknown>
  /**
   * `options` are `SetArguments`; the types of older clients know fewer conditions. Resolves to `null` if the condition
   * does not hold. A server without `IFEQ` answers `ERR syntax error`.
   */
  set(key: string, value: string, options: never): Promise<unknown>
  /** Deletes a key. Resolves to its value, or to `null` if there was no such key. */
  getDel(key: string): Promise<unknown>
  /** Resolves to 1, or to 0 if there is no such key or its TTL is longer already. */
  pExpireAt(key: string, msSince1970: number, mode: 'GT'): Promise<unknown>
  eval(script: string, options: ScriptArguments): Promise<unknown>
  evalSha(sha1: string, options: ScriptArguments): Promise<unknown>
  /** Resolves to how many replicas have all writes of this connection. Needed only for `waitForReplicas`. */
  wait?(replicas: number, timeoutMs: number): Promise<unknown>
  /**
   * Only a Cluster client has `masters` and `nodeClient`. It sends every other command to the master of its key. A master
   * that is missing here is skipped, with all its sessions.
   */
  masters?: readonly unknown[]
  /** Returns a client of one master, for `scan`, `wait` and a script before `wait`. */
  nodeClient?(node: never): unknown
}

export interface SetArguments {
  /** ms since 1970. */
  expiration: { type: 'PXAT'; value: number }
  /** `NX`: write only if there is no such key. `IFEQ`: write only if the key holds `matchValue`. */
  condition?: 'NX' | 'IFEQ'
  matchValue?: string
}

export interface ScriptArguments {
  keys?: string[]
  arguments?: string[]
}

/** The methods of a client, pool, Sentinel or Cluster node that list keys. */
interface ScanningClient {
  /** Does one step of SCAN. The first step has the cursor '0', and the last step returns '0'. */
  scan(
    cursor: string,
    options: { MATCH: string; COUNT: number },
  ): Promise<{ cursor: unknown; keys: unknown[] }>
}

/** The methods of a Cluster client that give its masters. */
export interface ClusterClient {
  masters: readonly unknown[]
  /** Finds all masters anew, or rejects. A client has it whose `masters` can lack some. */
  findMasters?(): Promise<readonly unknown[]>
  nodeClient(node: unknown): ScanningClient | Promise<ScanningClient>
}

/** One connection, or a client that always uses the same connection. */
export interface ConnectionClient extends SessionClient {
  wait(replicas: number, timeoutMs: number): Promise<unknown>
}

/** The method of a pool or a Sentinel client that lends a connection to the master. */
export interface LendingClient {
  execute<T>(work: (client: ConnectionClient) => Promise<T>): Promise<T>
}

/** A second client, beside the store's own, that hears of revocations in other processes. */
export interface SubscriberClient {
  /** `false` after the client was closed for good. */
  readonly isOpen: boolean
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>
  unsubscribe(channel: string, listener: (message: unknown) => void): Promise<unknown>
  on(event: string, listener: () => void): unknown
  off(event: string, listener: () => void): unknown
}

export function hasMethods(given: object, names: readonly string[]): boolean {
  return names.every((name) => typeof Reflect.get(given, name) === 'function')
}

export function isCluster(client: object): client is ClusterClient {
  return 'masters' in client && 'nodeClient' in client
}

/**
 * Resolves to all masters. A client that has lost its connections may know none. That is an error: a caller would take
 * it for a Cluster without keys.
 */
export async function mastersOf(client: ClusterClient): Promise<readonly unknown[]> {
  const masters = client.findMasters ? await client.findMasters() : client.masters
  if (masters.length > 0) return masters
  throw new Error('Redis Cluster: the client knows no master; is it connected?')
}

/**
 * Yields every key that matches, in batches. A key may come twice while Redis resizes its table. Memory stays bounded.
 */
export async function* scanKeys(client: object, pattern: string, count: number): AsyncGenerator<string[]> {
  if (!isCluster(client)) return yield* scanNode(client as ScanningClient, pattern, count)
  for (const master of await mastersOf(client)) {
    yield* scanNode(await client.nodeClient(master), pattern, count)
  }
}

async function* scanNode(node: ScanningClient, pattern: string, count: number): AsyncGenerator<string[]> {
  let cursor = '0'
  do {
    const reply = await node.scan(cursor, { MATCH: pattern, COUNT: count })
    cursor = String(reply.cursor)
    if (reply.keys.length > 0) yield [...new Set(reply.keys.map(String))]
  } while (cursor !== '0')
}
