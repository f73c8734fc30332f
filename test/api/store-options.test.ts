/** The store options without a test file of their own: serializer, scanCount, disableTouch. */
import { runInNewContext } from 'node:vm'
import { expect } from 'chai'
import { CorruptSessionError, type Serializer } from '../../src/index.ts'
import { HOUR, MINUTE, rejection, SECOND, useDatabase } from '../support/database.ts'
import type { TestClient } from '../support/hooks.ts'
import { watch } from '../support/paused-client.ts'
import { fields, newSession, usedCookie } from '../support/sessions.ts'
import { onEveryTopology } from '../support/topologies.ts'

const reversed = (text: string) => [...text].reverse().join('')
/** A promise class of another realm than the store's. */
const ForeignPromise: PromiseConstructor = runInNewContext('Promise')
const promised = <T>(make: () => T) => new ForeignPromise<T>((resolve) => resolve(make()))
const serializers: Record<string, Serializer> = {
  sync: {
    parse: (text) => JSON.parse(reversed(text)),
    stringify: (data) => reversed(JSON.stringify(data)),
  },
  async: {
    parse: async (text) => JSON.parse(reversed(text)),
    stringify: async (data) => reversed(JSON.stringify(data)),
  },
  'with promises of another realm': {
    parse: (text) => promised(() => JSON.parse(reversed(text))),
    stringify: (data) => promised(() => reversed(JSON.stringify(data))),
  },
}

describe('The option serializer', () => {
  const db = useDatabase()

  for (const [name, serializer] of Object.entries(serializers)) {
    it(`${name}: is used for all that is read and written`, async () => {
      const store = db.store({ serializer })
      await store.set('s1', newSession({ userId: 'eva', role: 'admin' }, usedCookie(MINUTE)))
      expect(JSON.parse(reversed((await db.raw('s1')) as string))).to.include({ userId: 'eva' })

      const [one, two] = [fields(await store.get('s1')), fields(await store.get('s1'))]
      await store.set('s1', Object.assign(one, { cart: 1 }))
      await store.set('s1', Object.assign(two, { seen: 1 }))
      expect(await store.updateUser('eva', { role: 'user' } as never)).to.equal(1)
      two.cookie = usedCookie(0, 2 * HOUR)
      await store.touch('s1', two)
      const [listed] = await store.userSessions('eva')
      expect(listed?.data).to.include({ userId: 'eva', cart: 1, seen: 1, role: 'user' })
      expect(listed?.expires).to.deep.equal(two.cookie.expires)
      expect((await store.all())[0]).to.include({ id: 's1', cart: 1 })
      expect(await store.reindex()).to.deep.equal({ scanned: 1, indexed: 1 })
      expect(await store.destroyUser('eva')).to.equal(1)
      expect(await db.keys()).to.deep.equal([])
    })

    it(`${name}: Guarantee 7, alone: a record that it cannot parse fails alone`, async () => {
      const store = db.store({ serializer })
      await db.client.set(db.sessionKey('bad'), '{"userId":"eva"}')
      await store.set('good', newSession({ userId: 'eva' }))
      const error = await rejection(store.get('bad'))
      expect(error)
        .to.be.instanceOf(CorruptSessionError)
        .and.include({ key: db.sessionKey('bad') })
      expect(error.cause).to.be.instanceOf(SyntaxError)
      expect((await store.all()).map(({ id }) => id)).to.deep.equal(['good'])
    })
  }

  it('whose stringify throws causes a TypeError with its error as cause', async () => {
    const cause = new Error('no way')
    const stringify = () => {
      throw cause
    }
    const store = db.store({ serializer: { parse: JSON.parse, stringify } })
    const error = await rejection(store.set('s1', newSession()))
    expect(error).to.be.instanceOf(TypeError).and.include({ cause })
    expect(await db.keys()).to.deep.equal([])
  })

  it('whose stringify rejects fails with its own error: a service may be down', async () => {
    const away = new Error('no answer')
    const store = db.store({ serializer: { parse: JSON.parse, stringify: () => Promise.reject(away) } })
    expect(await rejection(store.set('s1', newSession()))).to.equal(away)
    expect(await db.keys()).to.deep.equal([])
  })

  it('whose stringify rejects as JSON does causes a TypeError that shows no data', async () => {
    const stringify = async (session: unknown) => JSON.stringify({ session, secret: 1n })
    const error = await rejection(
      db.store({ serializer: { parse: JSON.parse, stringify } }).set('s1', newSession()),
    )
    expect(error).to.be.instanceOf(TypeError).with.property('message').that.includes('bigint')
  })

  it('is called as a method', async () => {
    class Own {
      readonly mark = '~'
      parse(text: string) {
        return JSON.parse(text.replace(this.mark, ''))
      }
      stringify(data: unknown) {
        return this.mark + JSON.stringify(data)
      }
    }
    const store = db.store({ serializer: new Own() })
    await store.set('s1', newSession({ userId: 'eva' }))
    expect(fields(await store.get('s1')).userId).to.equal('eva')
  })
})

describe('The option scanCount', () => {
  const db = useDatabase()

  // Uses its own server: with a scanCount of 1, each key of a shared Redis would cost a round trip.
  onEveryTopology(
    (topology) => {
      for (const scanCount of [1, 3, 100_000]) {
        it(`${scanCount}: finds every session once`, async () => {
          const client = (await topology().connect()) as TestClient
          const store = db.store({ client, scanCount })
          const ids = Array.from({ length: 40 }, (_, n) => `s${n}`)
          await Promise.all(ids.map((id) => store.set(id, newSession({ userId: `user${id}` }))))
          const sorted = [...ids].sort()
          expect((await store.ids()).sort()).to.deep.equal(sorted)
          expect((await store.all()).map(({ id }) => id).sort()).to.deep.equal(sorted)
          expect(await store.length()).to.equal(40)
          expect(await store.reindex()).to.deep.equal({ scanned: 40, indexed: 40 })
          await store.clear()
          expect(await store.length()).to.equal(0)
          await client.close()
        })
      }
    },
    ['server'],
  )

  it('is the COUNT of SCAN', async () => {
    for (const [options, count] of [
      [{ scanCount: 7 }, 7],
      [{}, 1000],
    ] as const) {
      const { client, calls } = watch(db.client)
      await db.store({ client, ...options }).ids()
      const scans = calls.filter(({ command }) => command === 'scan')
      expect(scans).to.not.have.lengthOf(0)
      expect(scans.map(({ args }) => (args[1] as { COUNT: number }).COUNT)).to.deep.equal(
        scans.map(() => count),
      )
    }
  })
})

describe('sessions()', () => {
  const db = useDatabase()

  it('yields every session with its id, as all does', async () => {
    const store = db.store({ scanCount: 10 })
    for (let n = 0; n < 10; n++) await store.set(`s${n}`, newSession({ userId: 'eva', n }))
    const found = new Map<string, unknown>()
    for await (const session of store.sessions()) found.set(session.id, session)
    const all = new Map((await store.all()).map((session) => [session.id, session]))
    expect([...found].sort()).to.deep.equal([...all].sort())
  })

  it('can be left early, and begun again', async () => {
    const store = db.store({ scanCount: 10 })
    for (let n = 0; n < 10; n++) await store.set(`s${n}`, newSession({ n }))
    for await (const session of store.sessions()) {
      expect(session.id).to.match(/^s\d$/)
      break
    }
    expect(await store.all()).to.have.lengthOf(10)
  })

  it('continues if sessions that it has yielded are destroyed', async () => {
    const store = db.store({ scanCount: 10 })
    for (let n = 0; n < 30; n++) await store.set(`s${n}`, newSession({ userId: 'eva' }))
    for await (const { id } of store.sessions()) await store.destroy(id)
    expect(await db.keys()).to.deep.equal([])
  })

  it('fails if Redis fails', async () => {
    const client = db.client.duplicate()
    client.on('error', () => {})
    await client.connect()
    await client.close()
    const iterate = async () => {
      for await (const _ of db.store({ client }).sessions()) expect.fail('found something')
    }
    expect(await rejection(iterate())).to.be.instanceOf(Error)
  })
})

describe('The option disableTouch', () => {
  const db = useDatabase()

  it('leaves the expiry as it is at a touch, and moves it at a save', async () => {
    const store = db.store({ disableTouch: true })
    await store.set('s1', newSession({ userId: 'eva' }, usedCookie(MINUTE)))
    const before = await db.dump()
    const loaded = fields(await store.get('s1'))
    loaded.cookie = usedCookie(0)
    await store.touch('s1', loaded)
    expect(await db.dump()).to.deep.equal(before)
    await store.set('s1', loaded)
    expect(await db.expiry('s1')).to.equal((loaded.cookie.expires as Date).getTime())
    expect(await db.expiry('s1')).to.be.greaterThan(Date.now() + HOUR - MINUTE)
  })

  for (const [by, userId] of [
    ['connect-redis', 'eva'],
    ['connect-redis, anonymous', undefined],
  ] as const) {
    it(`a session that was touched by ${by} keeps the expiry that Redis has, at a save too`, async () => {
      // connect-redis moves the TTL, and not the recorded expiry.
      const record = JSON.stringify(newSession({ userId }, usedCookie(2 * HOUR)))
      await db.client.set(db.sessionKey('s1'), record, { PX: HOUR / 2 })
      await expectKept()
    })
  }

  it('a session that was touched by a store without disableTouch keeps the expiry that Redis has, at a save too', async () => {
    await db.store().set('s1', newSession({ userId: 'eva' }, usedCookie(HOUR - MINUTE)))
    // The index lists the session for an eighth of this minute longer.
    await db.client.pExpireAt(db.sessionKey('s1'), Date.now() + MINUTE + 5 * SECOND)
    await expectKept()
  })

  async function expectKept(): Promise<void> {
    const store = db.store({ disableTouch: true })
    const ends = await db.expiry('s1')
    const loaded = fields(await store.get('s1'))
    expect(Date.parse(String(loaded.cookie.expires))).to.equal(ends)
    for (const { expires, data } of await store.userSessions('eva'))
      expect([expires.getTime(), Date.parse(String(data.cookie.expires))]).to.deep.equal([ends, ends])
    await store.set('s1', Object.assign(loaded, { cart: ['tea'] }))
    expect(await db.expiry('s1')).to.equal(ends)
    expect(await db.record('s1')).to.deep.include({ cart: ['tea'] })
  }
})
