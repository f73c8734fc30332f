/** Clients of ioredis and iovalkey for every topology, like the node-redis clients in `topologies/`. */
import * as ioredis from 'ioredis'
import * as iovalkey from 'iovalkey'
import type { IoredisClient, IoredisSubscriber } from '../../src/index.ts'
import { tracked } from './clients.ts'
import type { Topology } from './topologies.ts'

export type DriverClient = IoredisClient & IoredisSubscriber & { disconnect(): void }

/** The options that both drivers and all topologies share. */
export type DriverOptions = {
  commandTimeout?: number
  keyPrefix?: string
  enableOfflineQueue?: boolean
  lazyConnect?: boolean
}

export const drivers = { ioredis, iovalkey }
export type DriverName = keyof typeof drivers

/** A client of a topology; the end of the run checks that it was disconnected. */
export function connectDriver(
  name: DriverName,
  topology: Topology,
  options: DriverOptions = {},
): DriverClient {
  const { Redis, Cluster } = drivers[name] as typeof ioredis
  const port = topology.nodes[0]?.server.port as number
  const { enableOfflineQueue, lazyConnect, ...redisOptions } = options
  const client = (topology.name === 'cluster'
    ? new Cluster([{ host: '127.0.0.1', port }], { enableOfflineQueue, lazyConnect, redisOptions })
    : topology.name === 'sentinel'
      ? new Redis({ name: 'main', sentinels: sentinelsOf(topology), ...options })
      : new Redis({ host: '127.0.0.1', port, ...options })) as unknown as DriverClient
  client.on('error', () => {})
  tracked({
    get isOpen() {
      // A Cluster that has lost all its connections stays at 'disconnecting'.
      return !['disconnecting', 'close', 'end'].includes(client.status)
    },
    destroy: () => client.disconnect(),
  })
  return client
}

/**
 * Waits until the client is connected. A subscriber that connects later makes its store check the sessions once more. That
 * check may notice a revocation before its message comes.
 */
export async function untilReady(client: DriverClient): Promise<void> {
  if (client.status !== 'ready')
    await new Promise<void>((resolve) => void client.on('ready', () => resolve()))
}

function sentinelsOf(topology: Topology) {
  return topology.sentinels.map(({ port }) => ({ host: '127.0.0.1', port }))
}
