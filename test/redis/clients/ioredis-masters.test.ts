/**
 * Every call that scans or asks all masters of a Cluster finds all, or rejects. ioredis and iovalkey forget a master
 * whose connection was closed, and know none while they connect.
 */
import { expect } from 'chai'
import { NotReplicatedError, UserSessionStore } from '../../../src/index.ts'
import { rejection } from '../../support/database.ts'
import { eventually } from '../../support/eventually.ts'
import { freshPrefixes } from '../../support/hooks.ts'
import {
  connectDriver,
  type DriverClient,
  type DriverName,
  type DriverOptions,
  drivers,
  untilReady,
} from '../../support/ioredis.ts'
import { newSession } from '../../support/sessions.ts'
import type { Node } from '../../support/topologies/node.ts'
import { startTopology, type Topology } from '../../support/topologies.ts'

const START_TIMEOUT = '5m'
const MASTERS = 3
const SESSIONS = 30
const names = Object.keys(drivers) as DriverName[]
const ids = Array.from({ length: SESSIONS }, (_, n) => `s${n}`).sort()

type Call = (store: UserSessionStore) => Promise<unknown>
const indexed = { scanned: SESSIONS, indexed: SESSIONS }
const calls: Record<string, [call: Call, result: unknown]> = {
  length: [(store) => store.length(), SESSIONS],
  ids: [async (store) => (await store.ids()).sort(), ids],
  all: [async (store) => (await store.all()).length, SESSIONS],
  sessions: [async (store) => (await collected(store.sessions())).length, SESSIONS],
  reindex: [(store) => store.reindex(), indexed],
  'clear and length': [(store) => store.clear().then(() => store.length()), 0],
}

async function collected<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

/** The masters that the driver itself lists. */
const listed = (client: DriverClient) =>
  (client as unknown as { nodes(role: string): object[] }).nodes('master')

describe('The masters of a Cluster', () => {
  let topology: Topology
  before(async function () {
    this.timeout(START_TIMEOUT)
    topology = await startTopology('cluster', { replicas: 1 })
  })
  after(() => topology.stop())

  async function using<T>(client: DriverClient, work: (client: DriverClient) => Promise<T>): Promise<T> {
    try {
      return await work(client)
    } finally {
      client.disconnect()
    }
  }

  async function connected(name: DriverName, options?: DriverOptions): Promise<DriverClient> {
    const client = connectDriver(name, topology, options)
    await untilReady(client)
    return client
  }

  /** Prefixes under which every master has a part of the sessions. */
  async function withSessions() {
    const prefixes = freshPrefixes()
    const writer = await topology.connect()
    const store = new UserSessionStore({ client: writer, ...prefixes })
    await Promise.all(ids.map((id) => store.set(id, newSession({ userId: id }))))
    await writer.close()
    return prefixes
  }

  /** The master ends its connections, and lives on. The driver forgets it. */
  async function forgets(client: DriverClient, { admin }: Node): Promise<void> {
    await admin.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'])
    await eventually('the driver to forget a master', async () => listed(client).length < MASTERS)
  }

  for (const name of names) {
    describe(`for ${name}`, () => {
      for (const [what, [call, result]] of Object.entries(calls)) {
        it(`${what}: after a master has closed its connections`, async () => {
          const prefixes = await withSessions()
          await using(await connected(name), async (client) => {
            const store = new UserSessionStore({ client, ...prefixes })
            expect(await store.length()).to.equal(SESSIONS) // every node has a connection that can be lost
            const [master] = (await topology.masters()) as [Node]
            await forgets(client, master)
            expect(await call(store)).to.deep.equal(result)
          })
        })

        it(`${what}: as the first call of a client that connects then`, async () => {
          const prefixes = await withSessions()
          await using(connectDriver(name, topology, { lazyConnect: true }), async (client) => {
            expect(client.status).to.equal('wait')
            expect(await call(new UserSessionStore({ client, ...prefixes }))).to.deep.equal(result)
          })
        })

        it(`${what}: as the first call of a client that is connecting`, async () => {
          const prefixes = await withSessions()
          await using(connectDriver(name, topology), async (client) => {
            expect(client.status).to.not.equal('ready')
            expect(await call(new UserSessionStore({ client, ...prefixes }))).to.deep.equal(result)
          })
        })
      }

      it('many calls at once after a master has closed its connections', async () => {
        const prefixes = await withSessions()
        await using(await connected(name), async (client) => {
          const store = new UserSessionStore({ client, ...prefixes })
          await store.length()
          const [master] = (await topology.masters()) as [Node]
          await forgets(client, master)
          const lengths = await Promise.all(ids.map(() => store.length()))
          expect(new Set(lengths)).to.deep.equal(new Set([SESSIONS]))
        })
      })

      it('waitForReplicas: a master that was forgotten must confirm too', async () => {
        const prefixes = freshPrefixes()
        const [master] = (await topology.masters()) as [Node]
        const replica = await replicaOf(master)
        await using(await connected(name), async (client) => {
          const store = new UserSessionStore({
            client,
            ...prefixes,
            waitForReplicas: { count: 1, timeout: 200 },
          })
          await store.length()
          const { sessionId, userId } = await elsewhere(master, prefixes)
          await store.set(sessionId, newSession({ userId }))
          await replica.server.pause()
          try {
            await forgets(client, master)
            const error = await rejection(store.destroyUser(userId))
            expect(error).to.be.instanceOf(NotReplicatedError)
          } finally {
            await replica.server.resume()
          }
        })
      })

      it('an error: the client has no connection, and does not wait for one', async () => {
        const client = connectDriver(name, topology, { lazyConnect: true, enableOfflineQueue: false })
        await using(client, async () => {
          await eachRejects(new UserSessionStore({ client, ...freshPrefixes() }))
        })
      })

      it('an error: a slot has no master', async () => {
        await using(await connected(name), async (client) => {
          const store = new UserSessionStore({ client, ...freshPrefixes() })
          const { slots } = client as unknown as { slots: string[][] }
          Object.assign(client, {
            refreshSlotsCache: (done: () => void) => {
              slots[7] = []
              done()
            },
          })
          expect((await rejection(store.length())).message).to.match(/no master for slot 7/)
        })
      })

      it('an error: all masters hang', async () => {
        await using(await connected(name, { commandTimeout: 300 }), async (client) => {
          const store = new UserSessionStore({ client, ...freshPrefixes() })
          await store.length()
          const masters = await topology.masters()
          await Promise.all(masters.map(({ server }) => server.pause()))
          try {
            await eachRejects(store)
          } finally {
            await Promise.all(masters.map(({ server }) => server.resume()))
          }
        })
      })
    })
  }

  it('an error: the client of node-redis is closed', async () => {
    const client = await topology.connect()
    const store = new UserSessionStore({ client, ...freshPrefixes() })
    client.destroy()
    await eachRejects(store)
  })

  // The last test, because it ends the servers.
  describe('without any server', () => {
    it('an error: all servers are dead', async () => {
      const clients = await Promise.all(names.map((name) => connected(name, { enableOfflineQueue: false })))
      const stores = clients.map((client) => new UserSessionStore({ client, ...freshPrefixes() }))
      try {
        for (const store of stores) expect(await store.length()).to.equal(0)
        await Promise.all(topology.nodes.map(({ server }) => server.kill()))
        for (const store of stores) await eachRejects(store)
        for (const store of stores) await eachRejects(store)
      } finally {
        for (const client of clients) client.disconnect()
      }
    })
  })

  async function eachRejects(store: UserSessionStore): Promise<void> {
    for (const [call] of Object.values(calls)) expect(await rejection(call(store))).to.be.instanceOf(Error)
  }

  async function replicaOf(master: Node): Promise<Node> {
    const { port } = master.server
    for (const node of topology.nodes) {
      if ((await node.admin.info('replication')).includes(`master_port:${port}`)) return node
    }
    throw new Error(`No replica of port ${port}`)
  }

  /** A session and a user whose keys lie on other masters. */
  async function elsewhere(master: Node, prefixes: { prefix: string; userPrefix: string }) {
    const free = async (key: (id: string) => string) => {
      for (const id of ids) if ((await topology.masterOf(key(id))) !== master) return id
      throw new Error('All keys lie on one master')
    }
    const sessionId = await free((id) => `${prefixes.prefix}${id}`)
    return { sessionId, userId: await free((id) => `${prefixes.userPrefix}${id}:sessions`) }
  }
})
