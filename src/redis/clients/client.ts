/**
 * The small interface through which the rest of the package speaks to Redis. It has the shape of a node-redis client. Each driver
 * has a file of its own that adapts its clients; an adapter of your own needs what stands here, and `sessionClient` takes it as is.
 */

/**
 * All that this package needs of a client. node-redis clients, pools, Sentinels and Clusters fit as they are, whatever their modules,
 * scripts and type mapping. Replies may be strings, numbers or buffers. A failed command rejects with the client's own error, and
 * with Redis's message if Redis sent one: `NOSCRIPT …` and `WRONGTYPE …` are looked for.
 */
export interface SessionClient extends ScanningClient {
  /** `null` if there is no such key. Always from the master. */
  get(key: string): Promise<unknown>
  /**
   * Takes `SetArguments`: the types of older clients know fewer conditions. `null` if the condition does not hold. A server that
   * does not know `IFEQ` says `ERR syntax error`.
   */
  set(key: string, value: string, options: never): Promise<unknown>
  /** Deletes a key, and resolves to what it held; `null` if there was no such key. */
  getDel(key: string): Promise<unknown>
  /** 1, or 0 if there is no such key or it lives longer already. */
  pExpireAt(key: string, msSince1970: number, mode: 'GT'): Promise<unknown>
  eval(script: string, options: ScriptArguments): Promise<unknown>
  evalSha(sha1: string, options: ScriptArguments): Promise<unknown>
  /** Resolves to how many replicas have what this connection has written. Needed for `waitForReplicas` alone. */
  wait?(replicas: number, timeoutMs: number): Promise<unknown>
  /** A Cluster client has both of these. It sends every other command to the master of its key. */
  masters?: readonly unknown[]
  /** A client of one master, which scans and waits there. */
  nodeClient?(node: never): unknown
}

export interface SetArguments {
  /** ms since 1970. */
  expiration: { type: 'PXAT'; value: number }
  /** `NX`: only if there is no such key. `IFEQ`: only if the key holds `matchValue`. */
  condition?: 'NX' | 'IFEQ'
  matchValue?: string
}

export interface ScriptArguments {
  keys?: string[]
  arguments?: string[]
}

/** The part of a client, pool, Sentinel or cluster node that enumerates keys. */
export interface ScanningClient {
  /** One step of SCAN. The cursor is '0' at first, and again after the last step. */
  scan(
    cursor: string,
    options: { MATCH: string; COUNT: number },
  ): Promise<{ cursor: unknown; keys: unknown[] }>
}

/** The part of a Cluster client that leads to its masters. */
export interface ClusterClient {
  masters: readonly unknown[]
  nodeClient(node: unknown): ScanningClient | Promise<ScanningClient>
}

/** One connection, or a client that is bound to one. */
export interface ConnectionClient extends SessionClient {
  wait(replicas: number, timeoutMs: number): Promise<unknown>
}

/** The part of a pool that lends one of its connections. */
export interface PoolClient {
  execute<T>(work: (client: ConnectionClient) => Promise<T>): Promise<T>
}

/** The part of a Sentinel client that lends a connection to the master. */
export interface SentinelClient {
  use<T>(work: (client: ConnectionClient) => Promise<T>): Promise<T>
}

/** A connection of its own, beside the store's client, which hears of revocations in other processes. */
export interface SubscriberClient {
  /** `false` if it is closed for good. */
  readonly isOpen: boolean
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>
  unsubscribe(channel: string, listener: (message: unknown) => void): Promise<unknown>
  on(event: string, listener: () => void): unknown
  off(event: string, listener: () => void): unknown
}

export function isCluster(client: object): client is ClusterClient {
  return 'masters' in client && 'nodeClient' in client
}

/** Every key that matches, in batches; a key may come twice while Redis resizes its table. Memory stays bounded. */
export async function* scanKeys(client: object, pattern: string, count: number): AsyncGenerator<string[]> {
  if (!isCluster(client)) return yield* scanNode(client as ScanningClient, pattern, count)
  for (const master of client.masters) yield* scanNode(await client.nodeClient(master), pattern, count)
}

async function* scanNode(node: ScanningClient, pattern: string, count: number): AsyncGenerator<string[]> {
  let cursor = '0'
  do {
    const reply = await node.scan(cursor, { MATCH: pattern, COUNT: count })
    cursor = String(reply.cursor)
    if (reply.keys.length > 0) yield [...new Set(reply.keys.map(String))]
  } while (cursor !== '0')
}
