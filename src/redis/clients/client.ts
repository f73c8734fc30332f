/**
 * What this package asks of a node-redis client. The results of `createClient`, `createClientPool`, `createSentinel` and
 * `createCluster` all fit, whatever their modules, scripts and type mapping. The client must be connected.
 */
export interface SessionClient {
  get(key: string): Promise<unknown>
  set(key: string, value: string, options: SetArguments): Promise<unknown>
  del(key: string): Promise<unknown>
  pExpireAt(key: string, msSince1970: number, mode: 'GT'): Promise<unknown>
  eval(script: string, options: ScriptArguments): Promise<unknown>
  evalSha(sha1: string, options: ScriptArguments): Promise<unknown>
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

export function isCluster(client: object): client is ClusterClient {
  return 'masters' in client && 'nodeClient' in client
}

export const clientRule =
  'a node-redis client without keyPrefix (which SCAN ignores; use prefix and userPrefix)'

export function isClient(client: unknown): client is SessionClient {
  return (
    typeof client === 'object' &&
    client !== null &&
    Reflect.get(client, '_keyPrefix') === undefined &&
    (['get', 'set', 'del', 'pExpireAt', 'eval', 'evalSha'] as const).every(
      (method) => typeof Reflect.get(client, method) === 'function',
    )
  )
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
