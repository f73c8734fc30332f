/** Redis Cluster of three masters, each with a third of the slots, with replicas if a test asks for them. */
import { createCluster } from 'redis'
import { tracked } from '../clients.ts'
import { eventually } from '../eventually.ts'
import { freePortCandidate } from '../spawn-server.ts'
import { clientOptions, commandOptions } from './client-options.ts'
import { liveMasters, type Node, startNode, untilReplicating } from './node.ts'
import type { ConnectOptions, Topology, TopologyOptions } from './types.ts'

const MASTERS = 3
const SLOTS = 16_384
/** In ms: how long a node without an answer counts as alive. With more, nodes need longer to learn of each other. */
const NODE_TIMEOUT_MS = 2000
/** The same without `failover`. */
const PATIENT_TIMEOUT_MS = 600_000

export type ClusterClient = Awaited<ReturnType<typeof connect>>

export async function startCluster(options: TopologyOptions): Promise<Topology<ClusterClient>> {
  const { settings = [], replicas = 0, failover = false } = options
  const size = MASTERS * (1 + replicas)
  const busPorts = new Map<number, number>()
  const start = () => startNode((port) => nodeSettings(port, busPorts, settings))
  const nodes = await Promise.all(Array.from({ length: size }, start))
  await meet(nodes, busPorts)
  await assignSlots(nodes.slice(0, MASTERS))
  await eachReplicates(nodes)
  await Promise.all(nodes.map((node) => untilComplete(node, size)))
  if (!failover) await Promise.all(nodes.map(beingPatient))
  return {
    name: 'cluster',
    nodes,
    sentinels: [],
    connect: (connectOptions) => connect(nodes, connectOptions),
    masters: () => liveMasters(nodes),
    masterOf: (key) => masterOf(nodes, key),
    async stop() {
      await Promise.all(nodes.map((node) => node.stop()))
    },
  }
}

function nodeSettings(port: number, busPorts: Map<number, number>, settings: string[]): string[] {
  const busPort = freePortCandidate()
  busPorts.set(port, busPort)
  return [
    'cluster-enabled yes',
    'cluster-config-file nodes.conf',
    `cluster-node-timeout ${NODE_TIMEOUT_MS}`,
    `cluster-port ${busPort}`,
    'cluster-announce-ip 127.0.0.1',
    'repl-diskless-sync-delay 0',
    ...settings,
  ]
}

/** Redis forgets a handshake that takes longer than the node timeout. So the first node is told again until it knows all. */
async function meet([first, ...others]: Node[], busPorts: Map<number, number>): Promise<void> {
  if (!first) return
  const size = 1 + others.length
  await eventually(`the node on port ${first.server.port} to have met ${size} nodes`, async () => {
    const known = await first.admin.clusterNodes()
    const strangers = others.filter(({ server }) => !known.includes(`:${server.port}@`))
    for (const { server } of strangers) {
      const address = ['127.0.0.1', String(server.port), String(busPorts.get(server.port))]
      await first.admin.sendCommand(['CLUSTER', 'MEET', ...address])
    }
    return knowsAll(known, size)
  })
  await Promise.all(others.map((node) => untilKnown(node, size)))
}

/** Waits until a node has shaken hands with all the others: only then can it replicate one of them. */
async function untilKnown({ server, admin }: Node, size: number): Promise<void> {
  await eventually(`the node on port ${server.port} to know ${size} nodes`, async () =>
    knowsAll(await admin.clusterNodes(), size),
  )
}

function knowsAll(nodes: string, size: number): boolean {
  const known = nodes.trim().split('\n')
  return known.length === size && known.every((line) => !/handshake|noaddr/.test(line))
}

async function assignSlots(masters: Node[]): Promise<void> {
  const share = Math.ceil(SLOTS / masters.length)
  await Promise.all(
    masters.map(({ admin }, n) =>
      admin.clusterAddSlotsRange({ start: n * share, end: Math.min((n + 1) * share, SLOTS) - 1 }),
    ),
  )
}

/** Spreads the nodes after the first three over these as their replicas. */
async function eachReplicates(nodes: Node[]): Promise<void> {
  const replicas = nodes.slice(MASTERS)
  for (const [n, replica] of replicas.entries()) {
    const id = await nodes[n % MASTERS]?.admin.clusterMyId()
    if (id) await replica.admin.clusterReplicate(id)
  }
  await Promise.all(replicas.map(untilReplicating))
}

async function untilComplete({ server, admin }: Node, size: number): Promise<void> {
  await eventually(`cluster_state:ok on port ${server.port}`, async () => {
    const info = await admin.clusterInfo()
    const complete = ['cluster_state:ok', `cluster_slots_ok:${SLOTS}`, `cluster_known_nodes:${size}`]
    return complete.every((line) => info.includes(line))
  })
}

async function beingPatient({ admin }: Node): Promise<void> {
  await admin.configSet('cluster-node-timeout', String(PATIENT_TIMEOUT_MS))
}

async function masterOf(nodes: Node[], key: string): Promise<Node> {
  return eventually(`the master of ${key}`, async () => {
    const [asked] = await liveMasters(nodes)
    if (!asked) return undefined
    const slot = await asked.admin.clusterKeySlot(key)
    const ranges = await asked.admin.clusterSlots()
    const range = ranges.find(({ from, to }) => from <= slot && slot <= to)
    return nodes.find(({ server }) => server.port === range?.master.port)
  })
}

async function connect(nodes: Node[], options?: ConnectOptions) {
  const cluster = createCluster({
    rootNodes: nodes.map(({ server }) => ({ url: server.url })),
    defaults: clientOptions(options),
    commandOptions: commandOptions(options),
  })
  cluster.on('error', () => {})
  return tracked(await cluster.connect())
}
