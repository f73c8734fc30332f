/**
 * `waitForReplicas`: an acknowledged revocation survives the loss of the master. A revocation that may not survive is
 * an error.
 */
import { expect } from 'chai'
import { createClient, createClientPool } from 'redis'
import {
  deleteSession,
  deleteUserSessions,
  NotReplicatedError,
  UserSessionStore,
  type UserSessionStoreOptions,
} from '../../src/index.ts'
import { tracked } from '../support/clients.ts'
import { rejection } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { freshPrefixes, type Prefixes } from '../support/hooks.ts'
import { runs, watch } from '../support/paused-client.ts'
import { load, newId } from '../support/scene.ts'
import { emptyWriteScript } from '../support/scripts.ts'
import { newSession } from '../support/sessions.ts'
import type { Node } from '../support/topologies/node.ts'
import type { PoolClient, ServerClient } from '../support/topologies/one-server.ts'
import {
  type AnyClient,
  onEveryTopology,
  startTopology,
  type Topology,
  type TopologyName,
} from '../support/topologies.ts'

const TIMEOUT = '5m'
/** Milliseconds; a replica that lives answers at once. */
const ONE_REPLICA = { count: 1, timeout: 10_000 }
/** For when no replica will answer anyway. */
const NOT_LONG = { count: 1, timeout: 50 }

type Ids = [string, string, string, string, ...string[]]

class Stage {
  client!: AnyClient
  prefixes!: Prefixes
  constructor(readonly topology: () => Topology) {}

  get options() {
    return { client: this.client, ...this.prefixes }
  }

  store(options: Partial<UserSessionStoreOptions> = {}): UserSessionStore {
    return new UserSessionStore({ ...this.options, ...options })
  }

  async signIn(userId: string, count = 1): Promise<string[]> {
    const ids = Array.from({ length: count }, newId)
    await Promise.all(ids.map((id) => this.store().set(id, newSession({ userId }))))
    return ids
  }

  async living(ids: string[]): Promise<string[]> {
    const found = await Promise.all(ids.map(async (id) => (await this.store().get(id)) && id))
    return found.filter((id) => id !== null)
  }

  key(id: string): string {
    return this.prefixes.prefix + id
  }

  get replicas(): Promise<Node[]> {
    return this.topology()
      .masters()
      .then((masters) => this.topology().nodes.filter((node) => !masters.includes(node)))
  }
}

describe('waitForReplicas', () => {
  const masterOf = async (topology: Topology) => (await topology.masters())[0]?.server.url as string
  const clients: [name: string, TopologyName, connect: (topology: Topology) => Promise<AnyClient>][] = [
    ['a server', 'sentinel', async (topology) => connectTo(createClient({ url: await masterOf(topology) }))],
    [
      'a pool',
      'sentinel',
      async (topology) => connectTo(createClientPool({ url: await masterOf(topology) })),
    ],
    ['sentinel', 'sentinel', (topology) => topology.connect()],
    ['cluster', 'cluster', (topology) => topology.connect()],
  ]
  for (const [title, name, connect] of clients) {
    describe(`on ${title} with a replica`, () => {
      let topology: Topology
      const stage = stageOn(() => topology)

      before(async function () {
        this.timeout(TIMEOUT)
        topology = (await startTopology(name, { replicas: 1 })) as Topology
        for (const replica of await stage.replicas) {
          if (name === 'cluster') await replica.admin.sendCommand(['READONLY'])
        }
        stage.client = await connect(topology)
      })

      after(async () => {
        await stage.client.close()
        await topology.stop()
      })

      it('every revocation resolves when the replicas have it', async () => {
        const store = stage.store({ waitForReplicas: ONE_REPLICA })
        const options = { ...stage.options, waitForReplicas: ONE_REPLICA }
        const [first, second, third, ...others] = (await stage.signIn('alice', 6)) as Ids
        const onReplicas = async () => {
          const found = await Promise.all(
            (await stage.replicas).map(({ admin }) => admin.keys(`${stage.prefixes.prefix}*`)),
          )
          return found.flat()
        }
        await eventually('the replicas to have all', async () => (await onReplicas()).length === 6)
        await store.destroy(first)
        expect(await onReplicas())
          .to.have.length(5)
          .and.not.include(stage.key(first))
        expect(await store.destroyUserSession('alice', second)).to.equal(true)
        expect(await onReplicas())
          .to.have.length(4)
          .and.not.include(stage.key(second))
        await deleteSession({ ...options, sessionId: third })
        expect(await onReplicas()).to.have.members(others.map((id) => stage.key(id)))
        expect(await store.destroyUser('alice', { except: others[0] })).to.equal(2)
        expect(await onReplicas()).to.have.length(1)
        await deleteUserSessions({ ...options, userId: 'alice' })
        expect(await onReplicas()).to.deep.equal([])
        expect(await store.destroyUserSession('alice', first)).to.equal(false)
      })

      it('with a replica cut off it is done, and rejects with the result that it would have had', async () => {
        const store = stage.store({ waitForReplicas: NOT_LONG })
        const options = { ...stage.options, waitForReplicas: NOT_LONG }
        const [first, second, third, ...others] = (await stage.signIn('alice', 5)) as Ids
        const cutOff = await stage.replicas
        for (const { server } of cutOff) await server.pause()
        await expectNotReplicated(store.destroy(first), undefined)
        await expectNotReplicated(store.destroyUserSession('alice', second), true)
        await expectNotReplicated(deleteSession({ ...options, sessionId: third }), undefined)
        await expectNotReplicated(store.destroyUser('alice'), 2)
        expect(await stage.living([first, second, third, ...others])).to.deep.equal([])
        await expectNotReplicated(store.destroyUser('alice'), 0)
        await expectNotReplicated(deleteUserSessions({ ...options, userId: 'alice' }), undefined)
        for (const { server } of cutOff) await server.resume()
        await eventually('the revocation to be acknowledged', async () => {
          return (await store.destroyUser('alice')) === 0
        })
      })

      it('a revocation that another process repeats is no more done than the first', async () => {
        const [id] = (await stage.signIn('alice', 6)) as Ids
        // Their connections have written nothing.
        const clients = [await connect(topology), await connect(topology)]
        const cutOff = await stage.replicas
        for (const { server } of cutOff) await server.pause()
        const store = stage.store({ waitForReplicas: NOT_LONG })
        await expectNotReplicated(store.destroyUser('alice'), 6)
        for (const client of clients) {
          const options = { ...stage.options, client, waitForReplicas: NOT_LONG }
          await expectNotReplicated(stage.store(options).destroyUser('alice'), 0)
          await expectNotReplicated(stage.store(options).destroy(id), undefined)
          await expectNotReplicated(deleteUserSessions({ ...options, userId: 'alice' }), undefined)
          await expectNotReplicated(deleteSession({ ...options, sessionId: id }), undefined)
        }
        for (const { server } of cutOff) await server.resume()
        for (const client of clients) {
          const again = stage.store({ client, waitForReplicas: NOT_LONG })
          await eventually(
            'the revocation to be acknowledged',
            async () => (await again.destroyUser('alice')) === 0,
          )
          await client.close()
        }
      })

      it('if one replica of all is cut off, it is not done everywhere', async () => {
        const client = await connect(topology)
        const store = stage.store({ client, waitForReplicas: NOT_LONG })
        const [cutOff] = await stage.replicas
        await cutOff?.server.pause()
        await expectNotReplicated(store.destroyUser('nobody'), 0)
        await cutOff?.server.resume()
        await eventually('it to be back', async () => (await store.destroyUser('nobody')) === 0)
        await client.close()
      })

      if (name === 'cluster') {
        it('finds its way to every master at once, when it has found it before', async () => {
          const { client, calls } = watch(stage.client)
          const store = stage.store({ client: client as AnyClient, waitForReplicas: ONE_REPLICA })
          await store.destroyUser('nobody')
          const before = calls.length
          await store.destroyUser('nobody')
          expect(calls.slice(before).filter(runs(emptyWriteScript))).to.have.lengthOf(3)
        })
      }

      it('a late save does not bring back a revoked session', async () => {
        const store = stage.store({ waitForReplicas: ONE_REPLICA })
        const [id] = (await stage.signIn('alice')) as [string]
        const late = await load(store, id)
        await store.destroyUser('alice')
        await store.set(id, Object.assign(late, { cart: 1 }))
        expect(await store.get(id)).to.equal(null)
      })
    })
  }

  describe('on Cluster, with a hash tag in the prefix', () => {
    let topology: Topology
    const stage = stageOn(() => topology)

    before(async function () {
      this.timeout(TIMEOUT)
      topology = (await startTopology('cluster', { replicas: 1 })) as Topology
      stage.client = await topology.connect()
    })

    after(async () => {
      await stage.client.close()
      await topology.stop()
    })

    for (const [kind, tagged] of [
      ['one that names a slot', (prefix: string) => `{app}${prefix}`],
      ['one that is none', (prefix: string) => `{}${prefix}{`],
    ] as const) {
      it(`${kind}: every master that can have sessions must answer, and no other`, async () => {
        stage.prefixes = { prefix: tagged(stage.prefixes.prefix), userPrefix: stage.prefixes.userPrefix }
        const store = stage.store({ waitForReplicas: NOT_LONG })
        await eventually('it to be acknowledged', async () => (await store.destroyUser('nobody')) === 0)
        const home = await topology.masterOf(stage.prefixes.prefix)
        const replicas = await stage.replicas
        const of = await Promise.all(
          replicas.map(async ({ admin }) => (await admin.role()) as unknown as { master: { port: number } }),
        )
        for (const [n, { server }] of replicas.entries()) {
          await server.pause()
          const isItsOwn = of[n]?.master.port === home.server.port
          if (kind === 'one that is none' || isItsOwn) {
            await expectNotReplicated(store.destroyUser('nobody'), 0)
          } else {
            expect(await store.destroyUser('nobody')).to.equal(0)
          }
          await server.resume()
          await eventually('it to be back', async () => (await store.destroyUser('nobody')) === 0)
        }
      })
    }
  })

  describe('on a server that is full', () => {
    for (const name of ['sentinel', 'cluster'] as const) {
      describe(`with a replica, on ${name}`, () => {
        let topology: Topology
        const stage = stageOn(() => topology)

        before(async function () {
          this.timeout(TIMEOUT)
          topology = (await startTopology(name, { replicas: 1 })) as Topology
          stage.client = await topology.connect()
        })

        after(async () => {
          await stage.client.close()
          await topology.stop()
        })

        it('it resolves, though nothing else can be written', async () => {
          const store = stage.store({ waitForReplicas: ONE_REPLICA })
          const [first, ...others] = (await stage.signIn('alice', 4)) as Ids
          for (const { admin } of await topology.masters()) {
            await admin.configSet('maxmemory-policy', 'noeviction')
            await admin.configSet('maxmemory', '1')
          }
          expect((await rejection(stage.client.set(stage.key('more'), 'x'))).message).to.include('OOM')
          await store.destroy(first)
          expect(await store.destroyUser('alice')).to.equal(3)
          expect(await store.destroyUser('alice')).to.equal(0)
          await deleteSession({ ...stage.options, sessionId: first, waitForReplicas: ONE_REPLICA })
          for (const { admin } of await topology.masters()) await admin.configSet('maxmemory', '0')
          expect(await stage.living([first, ...others])).to.deep.equal([])
        })
      })
    }
  })

  describe('without a replica', () => {
    onEveryTopology(
      (topology) => {
        const stage = stageOn(topology)
        before(async () => {
          stage.client = await topology().connect()
        })
        after(() => stage.client.close())

        it('rejects, and the revocation is done', async () => {
          const store = stage.store({ waitForReplicas: NOT_LONG })
          const ids = await stage.signIn('alice', 3)
          await expectNotReplicated(store.destroy(ids[0] as string), undefined)
          await expectNotReplicated(store.destroyUser('alice'), 2)
          expect(await stage.living(ids)).to.deep.equal([])
        })
      },
      ['server', 'pool', 'cluster'],
    )
  })
})

async function connectTo<Client extends ServerClient | PoolClient>(client: Client): Promise<Client> {
  client.on('error', () => {})
  await client.connect()
  return tracked(client)
}

function stageOn(topology: () => Topology): Stage {
  const stage = new Stage(topology)
  beforeEach(() => {
    stage.prefixes = freshPrefixes()
  })
  return stage
}

async function expectNotReplicated(revocation: Promise<unknown>, result: unknown): Promise<void> {
  const error = await rejection(revocation)
  expect(error).to.be.instanceOf(NotReplicatedError)
  expect(error).to.include({ acknowledged: 0, result })
}
