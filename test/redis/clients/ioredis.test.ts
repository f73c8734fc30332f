/** ioredis and iovalkey return the same results as node-redis, on one server, Sentinel and Cluster. */
import { inspect } from 'node:util'
import { expect } from 'chai'
import { NotReplicatedError, readSession, UserSessionStore } from '../../../src/index.ts'
import { sessionClient } from '../../../src/redis/clients/supported.ts'
import { rejection } from '../../support/database.ts'
import { everythingWorks } from '../../support/everything.ts'
import { untilChecked } from '../../support/heard.ts'
import { freshPrefixes } from '../../support/hooks.ts'
import {
  connectDriver,
  type DriverClient,
  type DriverName,
  drivers,
  untilReady,
} from '../../support/ioredis.ts'
import { pauseBefore } from '../../support/paused-client.ts'
import { fields, newSession } from '../../support/sessions.ts'
import { onEveryTopology, startTopology, type Topology } from '../../support/topologies.ts'

const START_TIMEOUT = '1m'
const topologies = ['server', 'sentinel', 'cluster'] as const

for (const name of Object.keys(drivers) as DriverName[]) {
  describe(`A client of ${name}`, () => {
    onEveryTopology((topology) => {
      let client: DriverClient
      before(() => {
        client = connectDriver(name, topology())
      })
      after(() => client.disconnect())

      it('returns the same results as every other client', () => everythingWorks(client))

      it('sends the scripts again to a server that has lost them', async () => {
        await everythingWorks(client)
        for (const { admin } of await topology().masters()) await admin.scriptFlush()
        await everythingWorks(client)
      })

      it('finds the sessions of every node', async () => {
        const store = new UserSessionStore({ client, ...freshPrefixes(), scanCount: 5 })
        const ids = Array.from({ length: 30 }, (_, n) => `s${n}`)
        for (const id of ids) await store.set(id, newSession({ userId: id }))
        expect((await store.ids()).sort()).to.deep.equal([...ids].sort())
        await store.clear()
        expect(await store.length()).to.equal(0)
      })

      it('does not bring a session back that was revoked while a save was on its way', async () => {
        const prefixes = freshPrefixes()
        const store = new UserSessionStore({ client, ...prefixes })
        await store.set('s1', newSession({ userId: 'eva' }))
        const loaded = fields(await store.get('s1'))
        const isScript = ({ command }: { command: string }) => command === 'evalSha'
        const stopped = pauseBefore(sessionClient(client), isScript)
        const slow = new UserSessionStore({ client: stopped.client, ...prefixes })
        const slowlyLoaded = fields(await slow.get('s1'))
        const late = slow.set('s1', Object.assign(slowlyLoaded, { cart: 1 }))
        await stopped.reached
        expect(await store.destroyUser('eva')).to.equal(1)
        stopped.release()
        await late
        await store.set('s1', Object.assign(loaded, { cart: 2 }))
        expect(await store.get('s1')).to.equal(null)
      })

      it('hears of revocations in other processes', async () => {
        const prefixes = freshPrefixes()
        const subscribers = [connectDriver(name, topology()), connectDriver(name, topology())]
        await Promise.all(subscribers.map(untilReady))
        const [here, there] = subscribers.map(
          (subscriber) => new UserSessionStore({ client, ...prefixes, subscriber }),
        ) as [UserSessionStore, UserSessionStore]
        try {
          await Promise.all([untilChecked(here), untilChecked(there)])
          await here.set('s1', newSession({ userId: 'eva' }))
          const told = new Promise((resolve) => here.onRevoked('s1', resolve))
          expect(await there.destroyUser('eva')).to.equal(1)
          expect(await told).to.include({ userId: 'eva', reason: 'revoked' })
        } finally {
          for (const subscriber of subscribers) subscriber.disconnect()
        }
      })
    }, topologies)

    describe('waitForReplicas', () => {
      let topology: Topology
      before(async function () {
        this.timeout(START_TIMEOUT)
        topology = await startTopology('sentinel', { replicas: 1 })
      })
      after(() => topology.stop())

      it('resolves if a replica has the revocation, and rejects if none has', async () => {
        const client = connectDriver(name, topology)
        try {
          const prefixes = freshPrefixes()
          const waiting = (count: number, timeout: number) =>
            new UserSessionStore({ client, ...prefixes, waitForReplicas: { count, timeout } })
          const [one, two] = [waiting(1, 10_000), waiting(2, 50)]
          await one.set('s1', newSession({ userId: 'eva' }))
          expect(await one.destroyUser('eva')).to.equal(1)
          await two.set('s1', newSession({ userId: 'eva' }))
          expect(await rejection(two.destroyUser('eva'))).to.be.instanceOf(NotReplicatedError)
        } finally {
          client.disconnect()
        }
      })
    })

    describe('commands', () => {
      onEveryTopology(
        (topology) => {
          let client: DriverClient
          before(() => {
            client = connectDriver(name, topology())
          })
          after(() => client.disconnect())

          it('set: with a condition it sets or not', async () => {
            const key = `${freshPrefixes().prefix}k`
            const spoken = sessionClient(client)
            const expiration = { type: 'PXAT', value: Date.now() + 3_600_000 } as const
            expect(await spoken.set(key, 'a', { expiration, condition: 'NX' } as never)).to.equal('OK')
            expect(await spoken.set(key, 'b', { expiration, condition: 'NX' } as never)).to.equal(null)
            expect(await client.call('pexpiretime', [key])).to.equal(expiration.value)
            const again = () =>
              spoken.set(key, 'c', { expiration, condition: 'IFEQ', matchValue: 'a' } as never)
            const reply = await again().catch(({ message }) => message)
            expect(reply).to.be.oneOf(['OK', 'ERR syntax error'])
            expect(await client.get(key)).to.equal(reply === 'OK' ? 'c' : 'a')
          })

          it('pExpireAt resolves to whether it moved the TTL, and getDel to the deleted value', async () => {
            const key = `${freshPrefixes().prefix}k`
            const spoken = sessionClient(client)
            const at = Date.now() + 3_600_000
            expect(await spoken.pExpireAt(key, at, 'GT')).to.equal(0)
            await client.call('set', [key, 'a', 'PX', 1000])
            expect(await spoken.pExpireAt(key, at, 'GT')).to.equal(1)
            expect(await spoken.pExpireAt(key, at - 1, 'GT')).to.equal(0)
            expect(await spoken.getDel(key)).to.equal('a')
            expect(await spoken.getDel(key)).to.equal(null)
          })

          it('that fail have an error of its class without their arguments', async () => {
            const key = `${freshPrefixes().prefix}s1`
            await client.call('rpush', [key, 'a list'])
            const script = 'return redis.call("GET", KEYS[1])'
            const options = { keys: [key], arguments: ['hunter2'] }
            const error = await rejection(sessionClient(client).eval(script, options))
            const own = await rejection(client.get(key))
            expect(error.constructor).to.equal(own.constructor)
            expect(error).to.deep.include({ command: { name: 'eval' } })
            expect(inspect(error, { depth: 10 })).to.not.include('hunter2')
          })
        },
        ['server'],
      )
    })

    describe('that is refused', () => {
      const { Redis, Cluster } = drivers[name] as typeof drivers.ioredis
      const lazyConnect = true
      const refused: [what: string, make: () => object, word: string][] = [
        ['with keyPrefix', () => new Redis({ lazyConnect, keyPrefix: 'a:' }), 'keyPrefix'],
        ['that reads a replica', () => new Redis({ lazyConnect, readOnly: true }), 'readOnly'],
        ['that Sentinel leads to a replica', () => new Redis({ lazyConnect, role: 'slave' }), 'role'],
        ['a Cluster with keyPrefix', () => new Cluster([], { lazyConnect, keyPrefix: 'a:' }), 'keyPrefix'],
        [
          'a Cluster whose nodes have a keyPrefix',
          () => new Cluster([], { lazyConnect, redisOptions: { keyPrefix: 'a:' } }),
          'keyPrefix',
        ],
        [
          'a Cluster that reads replicas',
          () => new Cluster([], { lazyConnect, scaleReads: 'slave' }),
          'scaleReads',
        ],
        ['a pipeline', () => new Redis({ lazyConnect }).pipeline(), 'Pipeline'],
        ['a transaction', () => new Redis({ lazyConnect }).multi(), 'Pipeline'],
      ]
      for (const [what, make, word] of refused) {
        it(what, async () => {
          const client = make() as never
          expect(() => new UserSessionStore({ client })).to.throw(TypeError, word)
          expect(await rejection(readSession({ client, sessionId: 's1' }))).to.be.instanceOf(TypeError)
        })
      }

      const pipelining = { lazyConnect, enableAutoPipelining: true }

      it('a Cluster that would pipeline by the first argument of a command, which is no key', () => {
        const make = () => new UserSessionStore({ client: new Cluster([], pipelining) as never })
        if (name === 'iovalkey') expect(make).to.throw(TypeError, 'enableAutoPipelining')
        else expect(make).to.not.throw()
      })

      it('not: a client without these', () => {
        const clients = [new Redis({ lazyConnect }), new Redis(pipelining), new Cluster([], { lazyConnect })]
        for (const client of clients) {
          expect(() => new UserSessionStore({ client })).to.not.throw()
        }
      })
    })

    describe('for one server on a Redis Cluster', () => {
      onEveryTopology(
        (topology) => {
          it('fails with an error that names the right client', async () => {
            const client = connectDriver(name, { ...topology(), name: 'server' })
            try {
              const store = new UserSessionStore({ client, ...freshPrefixes() })
              const error = await rejection(store.set('s1', newSession({ userId: 'eva' })))
              expect(error.message).to.match(/^CROSSSLOT .*Cluster of ioredis/)
            } finally {
              client.disconnect()
            }
          })
        },
        ['cluster'],
      )
    })
  })
}
