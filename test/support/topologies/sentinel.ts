/**
 * A master, its replicas, and Sentinels. With `failover`, the Sentinels promote a replica within seconds of the
 * master's death.
 */
import { createClient, createSentinel } from 'redis'
import { tracked } from '../clients.ts'
import { eventually } from '../eventually.ts'
import type { ServerHandle } from '../spawn-server.ts'
import { clientOptions, commandOptions } from './client-options.ts'
import { liveMasters, type Node, startNode, startServer, untilReplicating } from './node.ts'
import type { ConnectOptions, Topology, TopologyOptions } from './types.ts'

const NAME = 'main'
/** Milliseconds without an answer until a master counts as dead. */
const DOWN_AFTER_MS = { failover: 500, otherwise: 600_000 }
const FAILOVER_TIMEOUT_MS = 3000

export type SentinelClient = Awaited<ReturnType<typeof connect>>

export async function startSentinel(options: TopologyOptions): Promise<Topology<SentinelClient>> {
  const { settings = [], replicas = 1, sentinels: count = 1, failover = false } = options
  const downAfter = failover ? DOWN_AFTER_MS.failover : DOWN_AFTER_MS.otherwise
  const first = await startNode(() => dataSettings(settings))
  const others = await Promise.all(Array.from({ length: replicas }, () => startReplica(first, settings)))
  const nodes = [first, ...others]
  await Promise.all(others.map(untilReplicating))
  const sentinels = await Promise.all(
    Array.from({ length: count }, () => startWatcher(first, count, downAfter)),
  )
  await Promise.all(sentinels.map((sentinel) => untilWatching(sentinel, replicas, count - 1)))
  return {
    name: 'sentinel',
    nodes,
    sentinels,
    connect: (connectOptions) => connect(sentinels, connectOptions),
    masters: () => currentMaster(nodes, sentinels),
    masterOf: async () => (await currentMaster(nodes, sentinels))[0],
    async stop() {
      await Promise.all(sentinels.map((sentinel) => sentinel.stop()))
      await Promise.all(nodes.map((node) => node.stop()))
    },
  }
}

function dataSettings(settings: string[]): string[] {
  return ['repl-diskless-sync-delay 0', 'replica-announce-ip 127.0.0.1', ...settings]
}

function startReplica(master: Node, settings: string[]): Promise<Node> {
  return startNode(() => [...dataSettings(settings), `replicaof 127.0.0.1 ${master.server.port}`])
}

function startWatcher(master: Node, count: number, downAfter: number): Promise<ServerHandle> {
  const quorum = Math.floor(count / 2) + 1
  return startServer({
    sentinel: true,
    settings: () => [
      `sentinel monitor ${NAME} 127.0.0.1 ${master.server.port} ${quorum}`,
      `sentinel down-after-milliseconds ${NAME} ${downAfter}`,
      `sentinel failover-timeout ${NAME} ${FAILOVER_TIMEOUT_MS}`,
    ],
  })
}

/** Waits until a Sentinel knows the replicas and its fellows: before that it could not promote anyone. */
async function untilWatching(sentinel: ServerHandle, replicas: number, fellows: number): Promise<void> {
  const known = `status=ok,address=127.0.0.1:\\d+,slaves=${replicas},sentinels=${fellows + 1}\\b`
  await askSentinel(sentinel, async (client) => {
    await eventually(`Sentinel on port ${sentinel.port} to know ${replicas} replica(s)`, async () =>
      new RegExp(known).test(await client.info('sentinel')),
    )
  })
}

/** The one that the Sentinels agree on, once it answers as a master; a returning old master is not it. */
async function currentMaster(nodes: Node[], sentinels: ServerHandle[]): Promise<[Node]> {
  const asked = sentinels.find(({ dead, paused }) => !dead && !paused)
  if (!asked) throw new Error('No Sentinel is running')
  return askSentinel(asked, (client) =>
    eventually('a master that Sentinel names', async (): Promise<[Node] | undefined> => {
      const [, port] = await client.sendCommand<string[]>(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', NAME])
      const named = nodes.filter(({ server }) => server.port === Number(port))
      const [master] = await liveMasters(named)
      return master && [master]
    }),
  )
}

async function askSentinel<T>({ url }: ServerHandle, ask: (client: SentinelAdmin) => Promise<T>): Promise<T> {
  const client = await connectSentinelAdmin(url)
  try {
    return await ask(client)
  } finally {
    client.destroy()
  }
}

type SentinelAdmin = Awaited<ReturnType<typeof connectSentinelAdmin>>

async function connectSentinelAdmin(url: string) {
  const client = createClient({ url })
  client.on('error', () => {})
  return client.connect()
}

async function connect(sentinels: ServerHandle[], options?: ConnectOptions) {
  const client = createSentinel({
    name: NAME,
    sentinelRootNodes: sentinels.map(({ port }) => ({ host: '127.0.0.1', port })),
    // One connection for all commands and one for `use`: without `reserveClient`, node-redis loses connections of a pool.
    reserveClient: true,
    masterPoolSize: 2,
    nodeClientOptions: clientOptions(options),
    commandOptions: commandOptions(options),
  })
  client.on('error', () => {})
  return tracked(await client.connect())
}
