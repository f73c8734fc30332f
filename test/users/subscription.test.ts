/** A subscriber that many stores share, that a store has released, that is not connected, or that is far behind. */
import { expect } from 'chai'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { type SubscriberClient, UserSessionStore, type UserSessionStoreOptions } from '../../src/index.ts'
import { handleOf } from '../../src/session/handle.ts'
import { tracked } from '../support/clients.ts'
import { rejection } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { nextTurn, untilChecked } from '../support/heard.ts'
import { connect, freshPrefixes, redisUrl, type TestClient } from '../support/hooks.ts'
import { newSession } from '../support/sessions.ts'
import { spawnServer } from '../support/spawn-server.ts'
import { startTopology, type Topology } from '../support/topologies.ts'

type Subscriber = UserSessionStoreOptions['subscriber']
type Emitter = { eventNames(): (string | symbol)[]; listenerCount(event: string | symbol): number }

/** How many listeners a client has, by event. */
function listenersOf(client: unknown): Record<string, number> {
  const emitter = client as Emitter
  return Object.fromEntries(
    emitter.eventNames().map((event) => [String(event), emitter.listenerCount(event)]),
  )
}

describe('A subscriber', () => {
  const open: { destroy(): unknown }[] = []
  let client: TestClient
  let prefixes: ReturnType<typeof freshPrefixes>

  before(async () => {
    client = await connect()
  })

  beforeEach(() => {
    prefixes = freshPrefixes()
  })

  afterEach(() => {
    for (const each of open.splice(0)) each.destroy()
  })

  after(() => client.close())

  async function aSubscriber(): Promise<TestClient> {
    const subscriber = await connect()
    open.push(subscriber)
    return subscriber
  }

  function storeWith(subscriber: unknown, options: Partial<UserSessionStoreOptions> = {}): UserSessionStore {
    return new UserSessionStore({ client, ...prefixes, subscriber: subscriber as Subscriber, ...options })
  }

  const channel = () => `${prefixes.prefix}revoked`

  async function listenersOn(name = channel()): Promise<number> {
    return Number((await client.pubSubNumSub(name))[name])
  }

  async function untilListening(name = channel()): Promise<void> {
    await eventually('the store to listen', async () => (await listenersOn(name)) > 0)
  }

  function failuresOf(store: UserSessionStore): string[] {
    const failures: string[] = []
    store.on('subscriberError', (error) => failures.push(String(error)))
    return failures
  }

  describe('of many stores', () => {
    for (const [kind, make] of [
      ['node-redis', async () => aSubscriber()],
      [
        'ioredis',
        async () => {
          const subscriber = new Redis(redisUrl())
          open.push({ destroy: () => subscriber.disconnect() })
          return subscriber.on('error', () => {})
        },
      ],
    ] as const) {
      it(`gets no more listeners than for one, and loses them with the last: ${kind}`, async () => {
        const warnings: string[] = []
        const warned = ({ message }: Error) => warnings.push(message)
        process.on('warning', warned)
        const subscriber = await make()
        const before = listenersOf(subscriber)
        const stores = Array.from({ length: 30 }, (_, n) =>
          storeWith(subscriber, {
            prefix: `${prefixes.prefix}${n}:`,
            userPrefix: `${prefixes.userPrefix}${n}:`,
          }),
        )
        for (const n of stores.keys()) await untilListening(`${prefixes.prefix}${n}:revoked`)
        expect(Math.max(...Object.values(listenersOf(subscriber)))).to.be.at.most(3)
        for (const store of stores.slice(1)) await store.close()
        expect(await listenersOn(`${prefixes.prefix}1:revoked`)).to.equal(0)
        const other = storeWith(await aSubscriber(), {
          prefix: `${prefixes.prefix}0:`,
          userPrefix: prefixes.userPrefix,
        })
        await other.set('s1', newSession({ userId: 'eva' }))
        const told = new Promise((resolve) => stores[0]?.onRevoked('s1', resolve))
        await other.destroy('s1')
        expect(await told).to.include({ handle: handleOf('s1') })
        await stores[0]?.close()
        expect(await listenersOn(`${prefixes.prefix}0:revoked`)).to.equal(1)
        // The adapter of ioredis keeps one listener of all messages.
        const after = { ...listenersOf(subscriber) }
        if (kind === 'ioredis') delete after.message
        expect(after).to.deep.equal(before)
        await nextTurn()
        process.off('warning', warned)
        expect(warnings).to.deep.equal([])
      })
    }

    it('of one prefix: one that is closed leaves the others listening', async () => {
      const subscriber = await aSubscriber()
      const [one, other] = [storeWith(subscriber), storeWith(subscriber)]
      await Promise.all([untilChecked(one), untilChecked(other)])
      const heard: string[] = []
      one.on('destroyed', () => heard.push('one'))
      other.on('destroyed', () => heard.push('other'))
      await one.close()
      const third = storeWith(await aSubscriber())
      await third.set('s1', newSession({ userId: 'eva' }))
      await third.destroy('s1')
      await eventually('the other', () => heard.length > 0)
      await nextTurn()
      expect(heard).to.deep.equal(['other'])
    })

    it('can be used by another store after all of them are closed', async () => {
      const subscriber = await aSubscriber()
      await storeWith(subscriber).close()
      const store = storeWith(subscriber)
      await untilChecked(store)
      await subscriberCut(subscriber)
      await untilListening()
      await store.close()
    })
  })

  async function subscriberCut(subscriber: TestClient): Promise<void> {
    const ready = new Promise((resolve) => subscriber.once('ready', resolve))
    await client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub'])
    await ready
  }

  describe('of a store that is closed', () => {
    it('hears nothing more, and works as before', async () => {
      const subscriber = await aSubscriber()
      const before = listenersOf(subscriber)
      const store = storeWith(subscriber)
      await untilChecked(store)
      expect(await store.close()).to.equal(undefined)
      expect(await listenersOn()).to.equal(0)
      expect(listenersOf(subscriber)).to.deep.equal(before)
      expect(subscriber.isOpen).to.equal(true)
      expect(await client.ping()).to.equal('PONG')
      await subscriber.subscribe(`${channel()} of another`, () => {})
      expect(await listenersOn(`${channel()} of another`)).to.equal(1)
    })

    it('still announces revocations, to its own listeners and to other stores', async () => {
      const store = storeWith(await aSubscriber())
      const other = storeWith(await aSubscriber())
      await Promise.all([untilChecked(store), untilChecked(other)])
      await store.close()
      await store.set('s1', newSession({ userId: 'eva' }))
      const told = [store, other].map((each) => new Promise((resolve) => void each.onRevoked('s1', resolve)))
      await store.destroyUser('eva')
      for (const event of await Promise.all(told))
        expect(event).to.include({ reason: 'revoked', userId: 'eva' })
      await other.close()
    })

    it('may be closed again, and with a callback', async () => {
      const store = storeWith(await aSubscriber())
      await untilListening()
      const outcome = await new Promise<unknown[]>((resolve) => void store.close((...all) => resolve(all)))
      expect(outcome).to.deep.equal([null, undefined])
      await Promise.all([store.close(), store.close()])
      await store.close()
    })

    it('a store without one closes too', async () => {
      await storeWith(undefined).close()
    })

    it('at once after it was made, does not listen later', async () => {
      const subscriber = await aSubscriber()
      for (let n = 0; n < 5; n++) await storeWith(subscriber).close()
      expect(await listenersOn()).to.equal(0)
    })

    /** A store whose subscriber has lost its connection. `before` are the subscriber's listeners without the store. */
    async function lostConnection(disableOfflineQueue: boolean) {
      const server = await spawnServer()
      const options = { url: server.url, disableOfflineQueue, socket: { reconnectStrategy: 10 } }
      const subscriber = tracked(createClient(options))
      open.push({ destroy: () => subscriber.isOpen && subscriber.destroy() })
      await subscriber.on('error', () => {}).connect()
      const before = listenersOf(subscriber)
      const store = storeWith(subscriber)
      await untilChecked(store)
      await server.kill()
      await eventually('the loss', () => !subscriber.isReady)
      return { server, subscriber, before, store }
    }

    for (const disableOfflineQueue of [false, true]) {
      it(`while the connection is away, resolves, and stops trying${disableOfflineQueue ? ', without an offline queue' : ''}`, async () => {
        const { server, subscriber, before, store } = await lostConnection(disableOfflineQueue)
        await store.close()
        await store.close()
        if (!disableOfflineQueue) expect(listenersOf(subscriber)).to.deep.equal(before)
        await server.restart()
        await eventually('the connection', () => subscriber.isReady)
        await eventually('the end of its subscription', async () => {
          const admin = await createClient({ url: server.url }).connect()
          const { [channel()]: count } = await admin.pubSubNumSub(channel())
          admin.destroy()
          return Number(count) === 0
        })
        expect(listenersOf(subscriber)).to.deep.equal(before)
        await server.stop()
      })
    }

    it('while the connection is away, leaves nothing on a subscriber that is then closed for good', async () => {
      const { server, subscriber, before, store } = await lostConnection(true)
      await store.close()
      subscriber.destroy()
      expect(listenersOf(subscriber)).to.deep.equal(before)
      await server.stop()
    })

    it('of which the subscriber is closed already, resolves', async () => {
      const subscriber = await connect()
      const before = listenersOf(subscriber)
      const store = storeWith(subscriber)
      await untilListening()
      subscriber.destroy()
      await store.close()
      expect(listenersOf(subscriber)).to.deep.equal(before)
    })

    it('that may not subscribe, ends its attempts', async () => {
      const name = 'deaf'
      await client.aclSetUser(name, ['on', '>password', '~*', '+@all', 'resetchannels'])
      const deaf = tracked(createClient({ url: redisUrl(), username: name, password: 'password' }))
      open.push(deaf)
      await deaf.on('error', () => {}).connect()
      const store = storeWith(deaf)
      const failures = failuresOf(store)
      await eventually('two attempts', () => failures.length === 2)
      await store.close()
      await client.aclSetUser(name, ['allchannels'])
      await nextTurn()
      const count = failures.length
      expect(await listenersOn()).to.equal(0)
      await client.aclDelUser(name)
      expect(failures).to.have.lengthOf(count)
    })

    for (const name of ['sentinel', 'cluster'] as const) {
      it(`on ${name}`, async function () {
        this.timeout('1m')
        const topology = (await startTopology(name)) as unknown as Topology
        const [main, subscriber] = [await topology.connect(), await topology.connect()]
        const before = listenersOf(subscriber)
        const store = storeWith(subscriber, { client: main })
        await untilChecked(store)
        await store.close()
        expect(listenersOf(subscriber)).to.deep.equal(before)
        for (const { admin } of topology.nodes) {
          expect(Number((await admin.pubSubNumSub(channel()))[channel()])).to.equal(0)
        }
        main.destroy()
        subscriber.destroy()
        await topology.stop()
      })
    }
  })

  describe('that is not connected', () => {
    const notConnected = 'Error: the subscriber is not connected'

    it('is reported, once, and hears when it is', async () => {
      const subscriber = client.duplicate().on('error', () => {})
      const store = storeWith(subscriber)
      const failures = failuresOf(store)
      await eventually('the report', () => failures.length > 0)
      open.push(tracked(await subscriber.connect()))
      await untilChecked(store)
      const speaking = storeWith(await aSubscriber())
      await speaking.set('s1', newSession({ userId: 'eva' }))
      const told = new Promise((resolve) => void store.onRevoked('s1', resolve))
      await speaking.destroy('s1')
      expect(await told).to.include({ handle: handleOf('s1') })
      expect(failures).to.deep.equal([notConnected])
    })

    it('causes a warning if there is no listener', async () => {
      const warnings: string[] = []
      const warned = ({ message }: Error) => warnings.push(message)
      process.on('warning', warned)
      const store = storeWith(client.duplicate().on('error', () => {}))
      await eventually('the warning', () => warnings.length > 0)
      await store.close()
      process.off('warning', warned)
      expect(warnings).to.deep.equal([
        `redis-user-sessions cannot tell or hear of revocations: ${notConnected}`,
      ])
    })

    it('was closed before', async () => {
      const subscriber = await connect()
      subscriber.destroy()
      const failures = failuresOf(storeWith(subscriber))
      await eventually('the report', () => failures.length > 0)
      expect(failures).to.deep.equal([notConnected])
    })

    it('never connects, is reported once, however often it tries', async () => {
      const server = await spawnServer()
      await server.kill()
      let attempts = 0
      const subscriber = tracked(createClient({ url: server.url, socket: { reconnectStrategy: 5 } }))
      subscriber.on('error', () => attempts++)
      subscriber.connect().catch(() => {})
      open.push(subscriber)
      const failures = failuresOf(storeWith(subscriber))
      await eventually('ten attempts', () => attempts > 10)
      await nextTurn()
      expect(failures).to.deep.equal([notConnected])
      await server.stop()
    })

    it('stops trying to connect', async () => {
      const server = await spawnServer()
      await server.kill()
      const subscriber = tracked(createClient({ url: server.url, socket: { reconnectStrategy: false } }))
      subscriber.on('error', () => {})
      const connecting = subscriber.connect()
      const failures = failuresOf(storeWith(subscriber))
      await rejection(connecting)
      await eventually('the report', () => failures.length > 0)
      await server.stop()
    })

    it('is not reported if it connects at the first attempt, or loses its connection later', async () => {
      const subscriber = tracked(createClient({ url: redisUrl() }))
      subscriber.on('error', () => {})
      const connecting = subscriber.connect()
      const store = storeWith(subscriber)
      const failures = failuresOf(store)
      open.push(await connecting)
      await untilChecked(store)
      expect(failures).to.deep.equal([])
      await subscriberCut(subscriber as unknown as TestClient)
      await untilListening()
      // An attempt to listen that the cut ended is another failure.
      expect(failures).to.not.include(notConnected)
    })
  })

  describe('that is far behind', () => {
    const many = 10_500

    /** A subscriber whose messages wait until the test releases them. */
    async function lateSubscriber() {
      const subscriber = await aSubscriber()
      const waiting: (() => void)[] = []
      let isLate = true
      const late = {
        get isOpen() {
          return subscriber.isOpen
        },
        subscribe: (name: string, listener: (message: string) => void) => {
          const own = (message: string) =>
            void (isLate ? waiting.push(() => listener(message)) : listener(message))
          return subscriber.subscribe(name, own)
        },
        unsubscribe: async () => {},
        on: (event: string, listener: () => void) => subscriber.on(event, listener),
        off: (event: string, listener: () => void) => subscriber.off(event, listener),
      } satisfies SubscriberClient
      const letThrough = () => {
        isLate = false
        for (const message of waiting.splice(0)) message()
      }
      return { late, waiting, letThrough }
    }

    async function signInMany(): Promise<string[]> {
      const ids = Array.from({ length: many }, (_, n) => `s${n}`)
      const expires = Date.now() + 600_000
      const record = JSON.stringify(newSession({ userId: 'eva' }))
      for (let start = 0; start < many; start += 1000) {
        const some = ids.slice(start, start + 1000)
        await Promise.all(
          some.map((id) =>
            client.set(prefixes.prefix + id, record, { expiration: { type: 'PXAT', value: expires } }),
          ),
        )
      }
      return ids
    }

    it('does not announce again what its own store has destroyed', async () => {
      const { late, waiting, letThrough } = await lateSubscriber()
      const store = storeWith(late)
      await untilChecked(store)
      await signInMany()
      let told = 0
      store.on('destroyed', () => told++)
      await store.clear()
      await eventually('all messages', () => waiting.length === many)
      // An event is emitted on the next tick, possibly after the promise has settled.
      await nextTurn()
      expect(told).to.equal(many)
      letThrough()
      await nextTurn()
      expect(told).to.equal(many)
    }).timeout('2m')

    it('does not announce again what a check has found before', async () => {
      const { late, waiting, letThrough } = await lateSubscriber()
      const store = storeWith(late)
      await untilChecked(store)
      const speaking = storeWith(await aSubscriber())
      const ids = await signInMany()
      const reasons: string[] = []
      for (const id of ids) store.onRevoked(id, ({ reason }) => reasons.push(reason))
      let told = 0
      store.on('destroyed', () => told++)
      await speaking.clear()
      await eventually('all messages', () => waiting.length === many)
      expect(await store.checkRevoked()).to.equal(many)
      letThrough()
      await nextTurn()
      await nextTurn()
      expect(told).to.equal(many)
      expect(new Set(reasons)).to.deep.equal(new Set(['missed']))
      expect(reasons).to.have.lengthOf(many)
    }).timeout('2m')

    it('a listener that is added after so many revocations still hears of an earlier one', async () => {
      const store = storeWith(undefined)
      await store.set('first', newSession({ userId: 'eva' }))
      await store.destroy('first')
      await signInMany()
      await store.clear()
      const { reason } = await new Promise<{ reason: string }>(
        (resolve) => void store.onRevoked('first', resolve),
      )
      expect(reason).to.equal('missed')
    }).timeout('2m')
  })
})
