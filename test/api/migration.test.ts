/** An app moves from connect-redis and back, with prefix 'sess:' and without signing anyone out. */

import { expect } from 'chai'
import { RedisStore } from 'connect-redis'
import type { SessionData, Store } from 'express-session'
import request from 'supertest'
import { deleteUserSessions, getUserSessions, readSession, updateUserSessions } from '../../src/index.ts'
import { appWith, browser, type Routes, sessionIdIn, sessionOf } from '../support/app.ts'
import { HOUR, MINUTE, SECOND, useDatabase } from '../support/database.ts'
import { expectListed } from '../support/listed.ts'
import { inflate } from '../support/scene.ts'
import { cookie, type Fields, fields, newSession, usedCookie } from '../support/sessions.ts'

const userOf = (data: SessionData) =>
  (fields(data).userId ?? (fields(data).passport as Fields | undefined)?.user) as string | undefined

const routes: Routes = {
  '/': (req, res) => res.json(req.session),
  '/login': (req, res) => {
    Object.assign(req.session, { passport: { user: 'eva' }, cart: [] })
    res.json(req.session)
  },
  '/cart': (req, res) => {
    sessionOf(req).cart = ['tea']
    res.json(req.session)
  },
  '/save': (req, res) => req.session.save(() => res.json(req.session)),
}

describe('Moving from connect-redis and back', () => {
  const db = useDatabase()
  const theirs = (options: object = {}) =>
    new RedisStore({ client: db.client, prefix: db.prefixes.prefix, ...options })

  const sessions = {
    'with a cookie that expires': () =>
      newSession({ userId: 'eva', text: 'ß\u2028"\\', n: 1.5, nothing: null }),
    'with a cookie until the browser closes': () => newSession({ userId: 'eva' }, cookie(null)),
    'without a user': () => newSession({ views: 3 }),
    'of Passport': () => newSession({ passport: { user: 'eva' } }),
    'with undefined and dates': () => newSession({ gone: undefined, at: new Date(0), list: [undefined] }),
  }
  for (const [name, make] of Object.entries(sessions)) {
    it(`the record is the same as connect-redis writes, and has the end of its index entry if it has a user: ${name}`, async () => {
      const data = make()
      await theirs().set('theirs', data)
      await db.store().set('ours', data)
      const user = userOf(data)
      const index = user === undefined ? '' : `,"index":{"until":${await expectListed(db, 'ours', user)}}`
      const record = (await db.raw('theirs')) as string
      expect(await db.raw('ours')).to.equal(record.replace('"path":"/"}', `"path":"/"${index}}`))
    })

    it(`connect-redis reads the same session from it for express-session: ${name}`, async () => {
      const data = make()
      await theirs().set('s1', data)
      const inflated = async () => {
        const session = inflate(theirs() as never, 's1', (await theirs().get('s1')) as SessionData)
        const { serialize } = session.cookie as unknown as { serialize(name: string, value: string): string }
        const header = serialize.call(session.cookie, 'sid', 'value')
        return { record: JSON.stringify(session), header }
      }
      const before = await inflated()
      await db.store().set('s1', data)
      expect(await inflated()).to.deep.equal(before)
    })
  }

  it('so it is after a request over HTTP, a touch and a change', async () => {
    const at = new Date('2999-01-01')
    const written: { data: string; cookie: object }[] = []
    for (const store of [theirs(), db.store()]) {
      const app = appWith(store as never, routes, {
        cookie: { expires: at, sameSite: 'lax', secure: 'auto' },
      })
      const agent = browser(app)
      const id = sessionIdIn(await agent.get('/login')) as string
      await agent.get('/cart')
      await agent.get('/')
      const { cookie: inRecord, ...data } = await db.record(id)
      const { index, originalMaxAge: _, expires: __, ...rest } = inRecord
      written.push({ data: JSON.stringify(data), cookie: rest })
      const hasNote = !(store instanceof RedisStore)
      expect(index).to.deep.equal(hasNote ? { until: await expectListed(db, id, 'eva') } : undefined)
    }
    expect(written[1]).to.deep.equal(written[0])
  })

  it('both count and list the same sessions', async () => {
    await theirs().set('s1', newSession({ userId: 'eva' }))
    await db.store().set('s2', newSession({ userId: 'eva' }))
    expect((await db.store().ids()).sort()).to.deep.equal(((await theirs().ids()) as string[]).sort())
    type Listed = Fields & { id: string; cookie: Fields }
    const all = async (store: { all(): Promise<unknown> }) =>
      ((await store.all()) as Listed[]).sort((a, b) => (a.id < b.id ? -1 : 1))
    const [ours, connectRedis] = [await all(db.store()), await all(theirs() as never)]
    // connect-redis returns the record as it is. The store replaces the expiry with that of the key.
    for (const session of connectRedis) {
      delete session.cookie.index
      session.cookie.expires = new Date(await db.expiry(session.id)).toISOString()
    }
    expect(ours).to.deep.equal(connectRedis)
  })

  for (const resave of [true, false]) {
    it(`a browser stays signed in over both moves, resave ${resave}`, async () => {
      const options = { resave, cookie: { maxAge: HOUR } }
      const before = appWith(theirs() as never, routes, options)
      const during = appWith(db.store(), routes, options)
      const signedIn = await request(before).get('/login')
      const jar = (signedIn.headers['set-cookie'] as unknown as string[])[0]?.split(';')[0] as string
      const id = sessionIdIn(signedIn) as string
      const get = (app: Parameters<typeof request>[0], path: string) =>
        request(app).get(path).set('Cookie', jar)

      expect((await get(during, '/')).body).to.deep.include({ passport: { user: 'eva' } })
      expect(await db.index('eva')).to.deep.equal({ [id]: await expectListed(db, id, 'eva') })
      await get(during, '/cart')
      expect((await get(before, '/')).body).to.deep.include({ passport: { user: 'eva' }, cart: ['tea'] })
      expect((await get(during, '/save')).body).to.deep.include({ passport: { user: 'eva' }, cart: ['tea'] })
      expect(await db.store().destroyUser('eva')).to.equal(1)
      expect((await get(before, '/')).body).to.not.have.property('passport')
    })
  }

  describe('Guarantee 6, true expiry: after a connect-redis touch, which moves only the TTL', () => {
    /** The record says that the session ended a minute ago; Redis keeps it for half an hour more. */
    async function outlived(): Promise<number> {
      await theirs().set('s1', newSession({ userId: 'eva' }))
      const stale = { ...(await db.record('s1')) }
      stale.cookie.expires = new Date(Date.now() - MINUTE).toISOString()
      const at = Date.now() + HOUR / 2
      await db.client.set(db.sessionKey('s1'), JSON.stringify(stale), {
        expiration: { type: 'PXAT', value: at },
      })
      return at
    }

    it('connect-redis itself leaves such a record (this checks the set-up)', async () => {
      await theirs().set('s1', newSession({ userId: 'eva' }, usedCookie(HOUR - MINUTE)))
      const before = await db.raw('s1')
      await theirs().touch('s1', newSession({ userId: 'eva' }))
      expect(await db.raw('s1')).to.equal(before)
      expect(await db.expiry('s1')).to.be.greaterThan(Date.now() + 59 * MINUTE)
    })

    it('get reports the expiry that this request’s touch will set, and the functions report the true one', async () => {
      const at = await outlived()
      const started = Date.now()
      const loaded = fields(await db.store().get('s1'))
      expect(Date.parse(String(loaded.cookie.expires))).to.be.within(started + HOUR, Date.now() + HOUR)
      const read = await readSession({ ...db.options, sessionId: 's1' })
      expect(read?.expires).to.equal(new Date(at).toISOString())
      const [listed] = await getListed()
      expect(listed).to.equal(undefined)
    })

    it('an explicit save of loaded data does not sign out: it counts as a use, and lists the session', async () => {
      await outlived()
      const store = db.store()
      const loaded = fields(await store.get('s1'))
      loaded.saved = true
      const started = Date.now()
      await store.set('s1', loaded)
      expect(await db.record('s1')).to.include({ saved: true })
      const expiry = await db.expiry('s1')
      expect(expiry).to.be.within(started + HOUR, Date.now() + HOUR)
      expect(await db.index('eva')).to.deep.equal({ s1: await expectListed(db, 's1', 'eva') })
      const [listed] = await getListed()
      expect(listed?.expires.getTime()).to.equal(expiry)
    })

    it('the first touch by the store lists it, and records until when', async () => {
      await outlived()
      const store = db.store()
      const started = Date.now()
      await store.touch('s1', fields(await store.get('s1')))
      expect(await db.expiry('s1')).to.be.within(started + HOUR, Date.now() + HOUR)
      const until = await expectListed(db, 's1', 'eva')
      expect((await db.record('s1')).cookie.index).to.deep.equal({ until })
    })

    it('an explicit save over HTTP does not sign out', async () => {
      const app = appWith(db.store(), routes, { cookie: { maxAge: HOUR }, genid: () => 's1' })
      const agent = browser(app)
      await agent.get('/login')
      await outlived()
      expect((await agent.get('/save')).body).to.include({ userId: 'eva' })
      expect((await agent.get('/')).body).to.include({ userId: 'eva' })
      const [listed] = await getListed()
      expect(listed?.expires.getTime()).to.equal(await db.expiry('s1'))
    })

    it('an update of the user keeps the TTL', async () => {
      const at = await outlived()
      await db.client.zAdd(db.indexKey('eva'), { score: at, value: 's1' })
      expect(await db.store().updateUser('eva', { role: 'admin' } as never)).to.equal(1)
      expect(await db.expiry('s1')).to.equal(at)
      expect((await db.record('s1')).cookie.index).to.deep.equal({
        until: await expectListed(db, 's1', 'eva'),
      })
    })

    it('a touch while a request runs does not let its explicit save shorten the session', async () => {
      await theirs().set('s1', newSession({ userId: 'eva' }, usedCookie(50 * MINUTE)))
      const store = db.store()
      const loaded = fields(await store.get('s1'))
      await theirs().touch('s1', newSession({ userId: 'eva' }))
      const at = await db.expiry('s1')
      loaded.saved = true
      await store.set('s1', loaded)
      // connect-redis touches to the second.
      expect(await db.expiry('s1')).to.be.within(at - SECOND, Date.now() + HOUR)
      expect(await db.index('eva')).to.deep.equal({ s1: await expectListed(db, 's1', 'eva') })
    })

    const getListed = () => db.store().userSessions('eva')
  })

  it('reindex lists the sessions that connect-redis wrote, under their true expiry, and can be repeated', async () => {
    await theirs().set('s1', newSession({ userId: 'eva' }))
    await theirs().set('s2', newSession({ passport: { user: 7 } }))
    await theirs().set('s3', newSession())
    const progress: object[] = []
    for (const _ of ['once', 'again']) {
      const result = await db.store().reindex({ onProgress: (state) => progress.push(state) })
      expect(result).to.deep.equal({ scanned: 3, indexed: 2 })
      expect(progress.at(-1)).to.deep.equal({ scanned: 3, indexed: 2, total: 3 })
      expect(await db.index('eva')).to.deep.equal({ s1: await db.expiry('s1') })
      expect(await db.index('7')).to.deep.equal({ s2: await db.expiry('s2') })
    }
    expect(await db.keys()).to.have.lengthOf(5)
  })

  it('a session that connect-redis created ends within its second, on both', async () => {
    const data = newSession({ userId: 'eva' })
    await theirs().set('s1', data)
    const expiry = await db.expiry('s1')
    expect(expiry - (data.cookie.expires as Date).getTime()).to.be.lessThan(2 * SECOND)
    await db.store().reindex()
    const [listed] = await db.store().userSessions('eva')
    expect(listed?.expires.getTime()).to.equal(expiry)
  })

  it('both are stores for express-session', () => {
    const stores: Store[] = [theirs(), db.store()]
    expect(stores).to.have.lengthOf(2)
  })

  describe('with an option `userId`, after `reindex`', () => {
    const account = ({ account }: Fields) => account
    const options = () => ({ client: db.client, ...db.prefixes })
    const own = () => db.store({ userId: account as never })

    /** A record of connect-redis that names its owner only by the option. */
    async function reindexed(): Promise<void> {
      await theirs().set('theirs', newSession({ account: 'eva' }))
      expect(await own().reindex()).to.deep.equal({ scanned: 1, indexed: 1 })
    }

    for (const [what, act] of [
      ['getUserSessions', () => getUserSessions({ ...options(), userId: 'eva' })],
      [
        'updateUserSessions',
        () => updateUserSessions({ ...options(), userId: 'eva', data: { role: 'admin' } }),
      ],
      ['deleteUserSessions', () => deleteUserSessions({ ...options(), userId: 'eva' })],
    ] as [string, () => Promise<unknown>][]) {
      it(`${what}, which does not know the option, leaves the session listed (1, indexed)`, async () => {
        await reindexed()
        await act()
        await expectListed(db, 'theirs', 'eva')
        expect(await own().destroyUser('eva')).to.equal(1)
      })
    }

    it('a store with the option still removes the entry of a session that has become anonymous (4, bounded)', async () => {
      await reindexed()
      await theirs().set('theirs', newSession({}))
      expect(await own().userSessions('eva')).to.deep.equal([])
      expect(await db.index('eva')).to.deep.equal({})
    })
  })
})
