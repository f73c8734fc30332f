/** Stores hear of each other only if they share their sessions: the same prefix in the same database. */
import { expect } from 'chai'
import { Redis } from 'ioredis'
import { createClient, createClientPool } from 'redis'
import { type DestroyedEvent, UserSessionStore, type UserSessionStoreOptions } from '../../src/index.ts'
import { handleOf } from '../../src/session/handle.ts'
import { newSessionId as newId } from '../../src/session/session-id.ts'
import { tracked } from '../support/clients.ts'
import { eventually } from '../support/eventually.ts'
import { connect, freshPrefixes, redisUrl, type TestClient } from '../support/hooks.ts'
import { newSession } from '../support/sessions.ts'

type Client = UserSessionStoreOptions['client']
type Closable = { destroy(): unknown }

/** The beginning of handles in marker messages. Such a message only shows that all earlier messages have arrived. */
const mark = 'mark'

describe('The stores that hear a message', () => {
  const open: Closable[] = []
  const stores: UserSessionStore[] = []
  let admin: TestClient

  before(async () => {
    admin = await connect()
  })

  afterEach(async () => {
    for (const store of stores.splice(0)) await store.close()
    for (const client of open.splice(0)) client.destroy()
  })

  after(() => admin.close())

  async function inDatabase(database: number): Promise<TestClient> {
    const client = await connect({ database })
    open.push(client)
    return client
  }

  /** A store that listens, with the events that it hears. */
  async function listening(client: Client, prefix: string, database = 0) {
    const subscriber = await inDatabase(0)
    const store = new UserSessionStore({ client, subscriber, prefix })
    stores.push(store)
    const heard: string[] = []
    const marks: string[] = []
    store.on('destroyed', ({ handle }: DestroyedEvent) =>
      (handle.startsWith(mark) ? marks : heard).push(handle),
    )
    const channel = `${prefix}revoked${database === 0 ? '' : `@${database}`}`
    await eventually(
      'the store to listen',
      async () => Number((await admin.pubSubNumSub(channel))[channel]) > 0,
    )
    return { store, heard, marks, channel }
  }

  /** Destroys a session, and waits until the channel has delivered all earlier messages too. */
  async function destroyOne(store: UserSessionStore, channel: string): Promise<string> {
    const id = newId()
    await store.set(id, newSession({ userId: 'alice' }))
    await store.destroy(id)
    await admin.publish(channel, 'after it')
    return handleOf(id)
  }

  /** All that was published to this store's subscriber so far has arrived. */
  async function untilTold({ marks, channel }: { marks: string[]; channel: string }): Promise<void> {
    const handle = `${mark} ${newId()}`
    await admin.publish(channel, JSON.stringify({ handle, userId: null, reason: 'logout' }))
    await eventually('the mark', () => marks.includes(handle))
  }

  async function expectApart(one: Awaited<ReturnType<typeof listening>>, other: typeof one): Promise<void> {
    const destroyed = await destroyOne(one.store, one.channel)
    await untilTold(one)
    await untilTold(other)
    expect(one.heard).to.deep.equal([destroyed])
    expect(other.heard).to.deep.equal([])
    const back = await destroyOne(other.store, other.channel)
    await untilTold(one)
    await untilTold(other)
    expect(one.heard).to.deep.equal([destroyed])
    expect(other.heard).to.deep.equal([back])
  }

  async function expectTogether(
    one: Awaited<ReturnType<typeof listening>>,
    other: typeof one,
  ): Promise<void> {
    const destroyed = [await destroyOne(one.store, one.channel), await destroyOne(other.store, other.channel)]
    await untilTold(one)
    await untilTold(other)
    expect(one.heard).to.have.members(destroyed)
    expect(other.heard).to.have.members(destroyed)
  }

  describe('in the databases of one server', () => {
    const ways: Record<string, (database: number) => Promise<unknown>> = {
      'the option of its client': inDatabase,
      'the URL of its client': async (database) => {
        const client = tracked(createClient({ url: `${redisUrl()}/${database}` }))
        open.push(client)
        return client.on('error', () => {}).connect()
      },
      select: async (database) => {
        const client = await inDatabase(0)
        await client.select(database)
        return client
      },
      'a pool': async (database) => {
        const pool = tracked(createClientPool({ url: redisUrl(), database }))
        open.push(pool)
        pool.on('error', () => {})
        await pool.connect()
        return pool
      },
      ioredis: async (db) => {
        const client = new Redis(redisUrl(), { db })
        open.push({ destroy: () => client.disconnect() })
        return client.on('error', () => {})
      },
    }

    for (const [name, clientIn] of Object.entries(ways)) {
      it(`not those in another one, by ${name}`, async () => {
        const { prefix } = freshPrefixes()
        const one = await listening((await clientIn(1)) as Client, prefix, 1)
        const zero = await listening(await inDatabase(0), prefix)
        await expectApart(one, zero)
      })

      it(`but those in the same one, by ${name}`, async () => {
        const { prefix } = freshPrefixes()
        const one = await listening((await clientIn(2)) as Client, prefix, 2)
        const other = await listening((await inDatabase(2)) as Client, prefix, 2)
        await expectTogether(one, other)
      })
    }

    it('a listener closes nothing for a session of the same id in another one', async () => {
      const { prefix } = freshPrefixes()
      const [zero, one] = [
        await listening(await inDatabase(0), prefix),
        await listening(await inDatabase(1), prefix, 1),
      ]
      for (const { store } of [zero, one]) await store.set('same', newSession({ userId: 'alice' }))
      let closed = 0
      one.store.onRevoked('same', () => closed++)
      await zero.store.destroyUser('alice')
      await untilTold(zero)
      await untilTold(one)
      expect(closed).to.equal(0)
      expect(await one.store.get('same')).to.include({ userId: 'alice' })
      await one.store.destroyUser('alice')
      await eventually('the listener', () => closed === 1)
    })
  })

  for (const [name, prefixes] of Object.entries<[string, string]>({
    'two prefixes': ['a:', 'b:'],
    'a prefix and one that begins with it': ['a:', 'a:b:'],
    'a prefix and one that ends with it': ['a:', 'b:a:'],
    'a prefix that looks like a channel': ['a:', 'a:revoked'],
    'a prefix that looks like the channel of a database': ['a:', 'a:revoked@1'],
    'a glob and what it matches': ['*:', 'ab:'],
    'other glob characters': ['[ab]?:', 'ax:'],
    'an empty prefix': ['', 'a:'],
    'prefixes that differ in case': ['a:', 'A:'],
  })) {
    for (const database of [0, 1]) {
      it(`not those of another prefix: ${name}, in database ${database}`, async () => {
        const { prefix: own } = freshPrefixes()
        const client = await inDatabase(database)
        const [one, other] = [
          await listening(client, own + prefixes[0], database),
          await listening(client, own + prefixes[1], database),
        ]
        await expectApart(one, other)
      })
    }
  }
})
