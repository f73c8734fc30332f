/** Clients as the README recommends them, so that a failing Redis is an error within `wait` ms. */
import { createClient, createClientPool, createCluster, createSentinel } from 'redis'
import { tracked } from '../support/clients.ts'
import type { AnyClient, Topology } from '../support/topologies.ts'

const MOST_COMMANDS = 1000

export async function recommended(topology: Topology, wait: number): Promise<AnyClient> {
  const client = clientOf(topology, wait)
  client.on('error', () => {})
  await client.connect()
  return tracked(client) as AnyClient
}

function clientOf({ name, nodes, sentinels }: Topology, wait: number) {
  const [url] = nodes.map(({ server }) => server.url) as [string]
  if (name === 'server') return createClient({ url, ...connection(wait) })
  if (name === 'pool') {
    return createClientPool({ url, ...connection(wait) }, { minimum: 1, maximum: 10, acquireTimeout: wait })
  }
  if (name === 'cluster') {
    return createCluster({
      rootNodes: nodes.map(({ server }) => ({ url: server.url })),
      defaults: connection(wait),
      topologyRefreshOnReconnectionAttemptStrategy: wait,
    })
  }
  return createSentinel({
    name: 'main',
    sentinelRootNodes: sentinels.map(({ port }) => ({ host: '127.0.0.1', port })),
    nodeClientOptions: connection(wait),
    reserveClient: true,
    masterPoolSize: 2,
    maxCommandRediscovers: 1,
  })
}

function connection(wait: number) {
  return {
    disableOfflineQueue: true,
    commandsQueueMaxLength: MOST_COMMANDS,
    pingInterval: wait / 2,
    socket: {
      connectTimeout: wait,
      socketTimeout: wait,
      reconnectStrategy: (retries: number) => Math.min(50 * 2 ** retries, 1000),
    },
  }
}
