import type { ServerHandle } from '../spawn-server.ts'
import type { ClusterClient } from './cluster.ts'
import type { Node } from './node.ts'
import type { PoolClient, ServerClient } from './one-server.ts'
import type { SentinelClient } from './sentinel.ts'

export const TOPOLOGY_NAMES = ['server', 'pool', 'sentinel', 'cluster'] as const
export type TopologyName = (typeof TOPOLOGY_NAMES)[number]

/** The common part of the four kinds of client, for tests that work with any of them. */
export type AnyClient = ServerClient | PoolClient | SentinelClient | ClusterClient

export type ConnectOptions = {
  /** Fail at once while disconnected instead of waiting for the connection. Default false, as in node-redis. */
  disableOfflineQueue?: boolean
  /** Milliseconds until a command without an answer fails. Default 5000, as in node-redis. */
  commandTimeout?: number
  /** Milliseconds between attempts to reconnect. Default 20. */
  reconnectAfter?: number
}

export type TopologyOptions = {
  /** Further lines of redis.conf for every data server, such as `appendonly yes`. */
  settings?: string[]
  /** Replicas of each master. Default: Sentinel 1, Cluster 0. */
  replicas?: number
  /**
   * A master that dies is replaced within seconds. Default false: no master is replaced, and a busy machine on which a server
   * answers late does not lose one.
   */
  failover?: boolean
  /** Sentinels; the quorum is their majority. Default 1. */
  sentinels?: number
}

export type Topology<Client = AnyClient> = {
  name: TopologyName
  /** All data servers, replicas included. */
  nodes: Node[]
  sentinels: ServerHandle[]
  /** A connected client with an error listener. The caller must close it. */
  connect(options?: ConnectOptions): Promise<Client>
  /** The data servers that are masters now; follows a failover. */
  masters(): Promise<Node[]>
  /** The master that holds this key now. */
  masterOf(key: string): Promise<Node>
  /** Stops the servers that were started. */
  stop(): Promise<void>
}
