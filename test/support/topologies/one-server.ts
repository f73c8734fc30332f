/** One server, used through a client or a pool. */
import { createClient, createClientPool } from 'redis'
import { tracked } from '../clients.ts'
import { clientOptions } from './client-options.ts'
import { liveMasters, type Node, startNode } from './node.ts'
import type { ConnectOptions, Topology, TopologyOptions } from './types.ts'

const POOL = { minimum: 1, maximum: 4 }

export type ServerClient = Awaited<ReturnType<typeof connectClient>>
export type PoolClient = Awaited<ReturnType<typeof connectPool>>

export async function startOneServer({ settings }: TopologyOptions): Promise<Topology<ServerClient>> {
  const node = await startNode(() => settings ?? [])
  return { name: 'server', connect: (options) => connectClient(node, options), ...single(node) }
}

export async function startPool({ settings }: TopologyOptions): Promise<Topology<PoolClient>> {
  const node = await startNode(() => settings ?? [])
  return { name: 'pool', connect: (options) => connectPool(node, options), ...single(node) }
}

function single(node: Node) {
  const nodes = [node]
  return {
    nodes,
    sentinels: [],
    masters: () => liveMasters(nodes),
    masterOf: async () => node,
    stop: () => node.stop(),
  }
}

async function connectClient({ server }: Node, options?: ConnectOptions) {
  const client = createClient({ url: server.url, ...clientOptions(options) })
  client.on('error', () => {})
  return tracked(await client.connect())
}

async function connectPool({ server }: Node, options?: ConnectOptions) {
  const pool = createClientPool({ url: server.url, ...clientOptions(options) }, POOL)
  pool.on('error', () => {})
  await pool.connect()
  return tracked(pool)
}
