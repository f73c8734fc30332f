/** Redis is killed, cut off, restarted or loses its scripts, while browsers ask an Express app for pages. */
import { expect } from 'chai'
import { type SessionClient, UserSessionStore } from '../../src/index.ts'
import { freshPrefixes } from '../support/hooks.ts'
import { moveSlot } from '../support/topologies/move-slot.ts'
import type { Node } from '../support/topologies/node.ts'
import { untilReplicated } from '../support/topologies/replication.ts'
import {
  type AnyClient,
  startTopology,
  type Topology,
  type TopologyName,
  type TopologyOptions,
} from '../support/topologies.ts'
import { recommended } from './clients.ts'
import { expectPagesAndErrors, pause, refused, type Site, served, serving, signedOut } from './load.ts'
import { figures, full, inFull } from './size.ts'

const TIMEOUT = '10m'
const BROWSERS = 8
/** How long a state lasts under load. */
const PHASE_MS = full ? 5000 : 700
/** How long the client waits for an answer. */
const WAIT_MS = 1000
/** How long the client waits if nothing fails, even on a busy machine. */
const PATIENT_MS = 60_000
const DURABLE = ['appendonly yes', 'appendfsync always']

describe('while Redis fails', () => {
  let rejections: unknown[]
  const onRejection = (reason: unknown) => void rejections.push(reason)
  beforeEach(() => {
    rejections = []
    process.on('unhandledRejection', onRejection)
  })
  afterEach(() => {
    process.off('unhandledRejection', onRejection)
    expect(rejections).to.deep.equal([])
  })

  for (const name of (full ? ['server', 'pool'] : ['server']) as TopologyName[]) {
    it(`on ${name}: killed and restarted, every request is answered, and all go on as before`, async function () {
      this.timeout(TIMEOUT)
      await underLoad(name, { settings: DURABLE }, async ({ topology, site }) => {
        const [node] = topology.nodes
        await node?.server.kill()
        await site.untilEvery('an error', refused)
        await pause(PHASE_MS)
        const restarted = performance.now()
        await node?.server.restart()
        await site.until('pages again', 3 * BROWSERS, served)
        const again = site.answers.find(({ at, status }) => at > restarted && status === 200)
        await site.end()
        report(`${name} killed for ${PHASE_MS} ms`, site, {
          'first page after the restart ms': (again?.at ?? 0) - restarted,
        })
        expectPagesAndErrors(site)
        expect(signedOut(site), 'who was signed out').to.deep.equal([])
      })
    })

    it(`on ${name}: cut off and returned, every request is answered within the client's timeout`, async function () {
      this.timeout(TIMEOUT)
      await underLoad(name, {}, async ({ topology, site }) => {
        const [node] = topology.nodes
        await node?.server.pause()
        await site.untilEvery('an error', refused)
        await pause(PHASE_MS)
        await node?.server.resume()
        await site.until('pages again', 3 * BROWSERS, served)
        await site.end()
        report(`${name} cut off for ${PHASE_MS} ms and more`, site)
        expectPagesAndErrors(site)
        expect(signedOut(site), 'who was signed out').to.deep.equal([])
      })
    })
  }

  for (const name of (full ? ['server', 'cluster'] : ['cluster']) as TopologyName[]) {
    it(`on ${name}: without its scripts again and again, no request fails`, async function () {
      this.timeout(TIMEOUT)
      await underLoad(name, { wait: PATIENT_MS }, async ({ topology, site }) => {
        const end = performance.now() + PHASE_MS
        let flushes = 0
        while (performance.now() < end) {
          for (const { admin } of topology.nodes) await admin.scriptFlush()
          flushes++
          await pause(1)
        }
        await site.end()
        report(`${flushes} times SCRIPT FLUSH on ${name}`, site)
        expect(site.statuses).to.have.all.keys('200')
        expect(signedOut(site)).to.deep.equal([])
      })
    })
  }

  it('on cluster: slots moved between masters, no request fails', async function () {
    this.timeout(TIMEOUT)
    await underLoad('cluster', { wait: PATIENT_MS }, async ({ topology, site, indexKey }) => {
      const end = performance.now() + PHASE_MS
      let moves = 0
      while (performance.now() < end || moves < 4) {
        const from = await topology.masterOf(indexKey)
        const to = (await topology.masters()).find((node) => node !== from)
        if (to) await moveSlot(topology, indexKey, to, { meanwhile: () => pause(20) })
        moves++
      }
      await site.end()
      report(`${moves} slots moved`, site)
      expect(site.statuses).to.have.all.keys('200')
      expect(signedOut(site)).to.deep.equal([])
    })
  })

  inFull(
    'on cluster: a master cut off and returned, every request is answered, and all go on as before',
    async function () {
      this.timeout(TIMEOUT)
      await underLoad('cluster', {}, async ({ topology, site, indexKey }) => {
        const { server } = await topology.masterOf(indexKey)
        await server.pause()
        await site.untilEvery('an answer', () => true)
        await pause(PHASE_MS)
        await server.resume()
        await site.until('pages again', 10 * BROWSERS, served)
        await site.end()
        report(`a master cut off for ${PHASE_MS} ms and more`, site)
        expectPagesAndErrors(site)
        expect(signedOut(site)).to.deep.equal([])
      })
    },
  )

  it('on sentinel: the master killed, every request is answered, and the replica serves', async function () {
    this.timeout(TIMEOUT)
    await underLoad('sentinel', { failover: true }, async ({ topology, site, client }) => {
      const [master] = (await topology.masters()) as [Node]
      await untilReplicated(topology, master)
      const killed = performance.now()
      await master.server.kill()
      await site.until('pages again', 3 * BROWSERS, ({ at, status }) => at > killed && status === 200)
      expect((client as { isReady: boolean }).isReady).to.equal(true)
      await site.end()
      report('Sentinel failover', site)
      expectPagesAndErrors(site)
      expect(signedOut(site)).to.deep.equal([])
    })
  })
})

type Scenery = { topology: Topology; client: AnyClient; site: Site; indexKey: string }

/** Browsers that are signed in and have been served, then `work`. */
async function underLoad(
  name: TopologyName,
  { wait = WAIT_MS, ...options }: TopologyOptions & { wait?: number },
  work: (scenery: Scenery) => Promise<void>,
): Promise<void> {
  const topology = (await startTopology(name, options)) as Topology
  const client = await recommended(topology, wait)
  try {
    const prefixes = freshPrefixes()
    const store = new UserSessionStore({ client: client as SessionClient, ...prefixes })
    await serving(store, async (site) => {
      const users = Array.from({ length: BROWSERS }, (_, n) => `user${n % 3}`)
      await site.browse(users)
      await site.until('pages', 3 * BROWSERS, served)
      await work({ topology, client, site, indexKey: `${prefixes.userPrefix}user0:sessions` })
    })
  } finally {
    client.destroy()
    await topology.stop()
  }
}

function report(what: string, site: Site, more: Record<string, number> = {}): void {
  const { 200: pages = 0, 500: errors = 0 } = site.statuses
  figures(what, { requests: site.answers.length, pages, errors, 'slowest ms': site.slowest, ...more })
}
