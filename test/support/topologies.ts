/**
 * The four ways to reach Redis, as real servers on loopback ports. A missing server binary fails, never skips.
 *
 *     onEveryTopology((topology) => {
 *       it('…', async () => {
 *         const client = await topology().connect()
 *
 * `TEST_TOPOLOGIES=server,cluster` limits a run to these. With `TEST_TOPOLOGIES_STAY=1` the shared ones live until the process
 * ends. Tools that run the same tests many times in one process need that.
 */
import { loadScripts } from './load-scripts.ts'
import { startCluster } from './topologies/cluster.ts'
import { startOneServer, startPool } from './topologies/one-server.ts'
import { startSentinel } from './topologies/sentinel.ts'
import { TOPOLOGY_NAMES, type Topology, type TopologyName, type TopologyOptions } from './topologies/types.ts'

export * from './topologies/types.ts'

const START_TIMEOUT = '5m'

const { TEST_TOPOLOGIES, TEST_TOPOLOGIES_STAY } = process.env
const wanted = TEST_TOPOLOGIES ? namesIn(TEST_TOPOLOGIES) : TOPOLOGY_NAMES

const starters = { server: startOneServer, pool: startPool, sentinel: startSentinel, cluster: startCluster }
const started = new Set<Promise<Topology>>()
const shared = new Map<TopologyName, Promise<Topology>>()

/** Starts a topology only for the caller, who may break it and must stop it. */
export function startTopology<Name extends TopologyName>(name: Name, options: TopologyOptions = {}) {
  const topology = starters[name](options) as ReturnType<(typeof starters)[Name]>
  started.add(topology)
  return topology
}

/** Runs the same tests on every topology. Each is started once and shared by the whole run: leave it unharmed. */
export function onEveryTopology(
  tests: (topology: () => Topology) => void,
  names: readonly TopologyName[] = TOPOLOGY_NAMES,
): void {
  for (const name of names.filter((name) => wanted.includes(name))) {
    describe(`on ${name}`, () => {
      let topology: Topology
      before(async function () {
        this.timeout(START_TIMEOUT)
        topology = await sharedTopology(name)
        // An earlier test may have made its servers forget them.
        await Promise.all(topology.nodes.map(({ admin }) => loadScripts(admin)))
      })
      tests(() => topology)
    })
  }
}

function sharedTopology(name: TopologyName): Promise<Topology> {
  const topology = shared.get(name) ?? startTopology(name)
  shared.set(name, topology)
  return topology
}

/** Stops, at the end of the run, the shared topologies and those that a failed test left behind. */
export async function stopRemainingTopologies(): Promise<void> {
  const staying = new Set(TEST_TOPOLOGIES_STAY ? shared.values() : [])
  const ending = [...started].filter((topology) => !staying.has(topology))
  for (const topology of ending) started.delete(topology)
  if (!TEST_TOPOLOGIES_STAY) shared.clear()
  for (const result of await Promise.allSettled(ending)) {
    if (result.status === 'fulfilled') await result.value.stop()
  }
}

function namesIn(list: string): readonly TopologyName[] {
  const names = list.split(',')
  const unknown = names.filter((name) => !TOPOLOGY_NAMES.some((known) => known === name))
  if (unknown.length > 0)
    throw new Error(`TEST_TOPOLOGIES names ${unknown}, which is none of ${TOPOLOGY_NAMES}`)
  return names as TopologyName[]
}
