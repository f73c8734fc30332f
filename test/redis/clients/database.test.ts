/** The database of a client, for every way to select it. */
import { expect } from 'chai'
import { Redis } from 'ioredis'
import { createClient, createClientPool, createSentinel } from 'redis'
import { databaseOf } from '../../../src/redis/clients/database.ts'
import { sessionClient } from '../../../src/redis/clients/supported.ts'
import { tracked } from '../../support/clients.ts'
import { rejection } from '../../support/database.ts'
import { redisUrl } from '../../support/hooks.ts'
import { startTopology, type Topology } from '../../support/topologies.ts'

type Closable = { destroy(): unknown }

describe('The database of a client', () => {
  const open: Closable[] = []

  afterEach(() => {
    for (const client of open.splice(0)) client.destroy()
  })

  async function connected(options: Parameters<typeof createClient>[0] = {}) {
    const client = tracked(createClient({ url: redisUrl(), ...options }))
    client.on('error', () => {})
    open.push(client)
    return client.connect()
  }

  const of = (client: object) => databaseOf(sessionClient(client))

  it('is 0 by default', async () => {
    expect(await of(await connected())).to.equal(0)
  })

  it('is the one of its options or its URL', async () => {
    expect(await of(await connected({ database: 3 }))).to.equal(3)
    expect(await of(await connected({ url: `${redisUrl()}/4` }))).to.equal(4)
  })

  it('is the one that it has selected', async () => {
    const client = await connected({ database: 3 })
    await client.select(5)
    expect(await of(client)).to.equal(5)
  })

  it('of a pool is the one of its clients', async () => {
    const pool = tracked(createClientPool({ url: redisUrl(), database: 6 }))
    pool.on('error', () => {})
    await pool.connect()
    open.push(pool)
    expect(await of(pool)).to.equal(6)
  })

  it('of ioredis too', async () => {
    const client = new Redis(redisUrl(), { db: 7 })
    client.on('error', () => {})
    open.push({ destroy: () => client.disconnect() })
    expect(await of(client)).to.equal(7)
    await client.select(8)
    expect(await of(client)).to.equal(8)
  })

  it('of a client that may not ask is the one of its options', async () => {
    const [admin, username] = [await connected(), 'not-asking']
    await admin.aclSetUser(username, ['on', '>password', '~*', '+@all', '-client'])
    try {
      const own = { username, password: 'password' }
      expect(await of(await connected({ ...own, database: 2 }))).to.equal(2)
      expect(await of(await connected(own))).to.equal(0)
      const other = new Redis(redisUrl(), { ...own, db: 9, enableReadyCheck: false })
      other.on('error', () => {})
      open.push({ destroy: () => other.disconnect() })
      expect(await of(other)).to.equal(9)
    } finally {
      await admin.aclDelUser(username)
    }
  })

  it('of your own adapter is 0, if its options name none', async () => {
    const given = await connected({ database: 2 })
    const names = ['get', 'set', 'getDel', 'pExpireAt', 'eval', 'evalSha', 'scan'] as const
    const adapter = Object.fromEntries(names.map((name) => [name, given[name].bind(given)]))
    expect(await of(adapter)).to.equal(0)
    expect(await of({ ...adapter, options: { database: 2 } })).to.equal(2)
  })

  it('of a client that is closed is an error', async () => {
    const client = await connected({ database: 2 })
    client.destroy()
    open.splice(0)
    expect((await rejection(of(client))).message).to.match(/closed/)
  })

  describe('of Sentinel and Cluster', () => {
    const topologies: Topology[] = []

    after(async () => {
      for (const topology of topologies) await topology.stop()
    })

    it('is the one of the clients of a Sentinel', async function () {
      this.timeout('1m')
      const topology = (await startTopology('sentinel')) as unknown as Topology
      topologies.push(topology)
      const sentinel = createSentinel({
        name: 'main',
        sentinelRootNodes: topology.sentinels.map(({ port }) => ({ host: '127.0.0.1', port })),
        nodeClientOptions: { database: 3 },
      })
      sentinel.on('error', () => {})
      open.push(tracked(await sentinel.connect()))
      expect(await of(sentinel)).to.equal(3)
    })

    it('is 0 on Cluster', async function () {
      this.timeout('1m')
      const topology = (await startTopology('cluster')) as unknown as Topology
      topologies.push(topology)
      const client = await topology.connect()
      open.push(client)
      expect(await of(client)).to.equal(0)
    })
  })
})
