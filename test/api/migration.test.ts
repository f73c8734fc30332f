/** An app moves from connect-redis, and back, with prefix 'sess:' and without signing anyone out. */

import { expect } from 'chai'
import { RedisStore } from 'connect-redis'
import type { Store } from 'express-session'
import request from 'supertest'
import { appWith, browser, type Routes, sessionIdIn, sessionOf } from '../support/app.ts'
import { HOUR, MINUTE, SECOND, useDatabase } from '../support/database.ts'
import { cookie, fields, newSession, usedCookie } from '../support/sessions.ts'

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
    it(`the record is byte for byte what connect-redis writes: ${name}`, async () => {
      const data = make()
      await theirs().set('theirs', data)
      await db.store().set('ours', data)
      expect(await db.raw('ours')).to.equal(await db.raw('theirs'))
    })
  }

  it('so it is after a request over HTTP, a touch and a change', async () => {
    const at = new Date('2999-01-01')
    const written: { data: string; cookie: string[] }[] = []
    for (const store of [theirs(), db.store()]) {
      const app = appWith(store as never, routes, {
        cookie: { expires: at, sameSite: 'lax', secure: 'auto' },
      })
      const agent = browser(app)
      const id = sessionIdIn(await agent.get('/login')) as string
      await agent.get('/cart')
      await agent.get('/')
      const { cookie: inRecord, ...data } = await db.record(id)
      written.push({ data: JSON.stringify(data), cookie: Object.keys(inRecord) })
    }
    expect(written[1]).to.deep.equal(written[0])
  })

  it('both count and list the same sessions', async () => {
    await theirs().set('s1', newSession({ userId: 'eva' }))
    await db.store().set('s2', newSession({ userId: 'eva' }))
    expect((await db.store().ids()).sort()).to.deep.equal(((await theirs().ids()) as string[]).sort())
    const all = async (store: { all(): Promise<unknown> }) =>
      ((await store.all()) as { id: string }[]).sort((a, b) => (a.id < b.id ? -1 : 1))
    expect(await all(db.store())).to.deep.equal(await all(theirs() as never))
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
      expect(await db.index('eva')).to.deep.equal({ [id]: await db.expiry(id) })
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

    it('connect-redis itself leaves such a record: this is what it is about', async () => {
      await theirs().set('s1', newSession({ userId: 'eva' }, usedCookie(HOUR - MINUTE)))
      const before = await db.raw('s1')
      await theirs().touch('s1', newSession({ userId: 'eva' }))
      expect(await db.raw('s1')).to.equal(before)
      expect(await db.expiry('s1')).to.be.greaterThan(Date.now() + 59 * MINUTE)
    })

    it('get says the true expiry', async () => {
      const at = await outlived()
      expect((await db.store().get('s1'))?.cookie.expires).to.equal(new Date(at).toISOString())
      const [listed] = await getListed()
      expect(listed).to.equal(undefined)
    })

    it('an explicit save of what get found does not sign out, and keeps the TTL', async () => {
      const at = await outlived()
      const store = db.store()
      const loaded = fields(await store.get('s1'))
      loaded.saved = true
      await store.set('s1', loaded)
      expect(await db.record('s1')).to.include({ saved: true })
      expect(await db.expiry('s1')).to.equal(at)
      expect(await db.index('eva')).to.deep.equal({ s1: at })
      const [listed] = await getListed()
      expect(listed?.expires.getTime()).to.equal(at)
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
    })

    it('a touch while a request runs does not let its explicit save shorten the session', async () => {
      await theirs().set('s1', newSession({ userId: 'eva' }, usedCookie(50 * MINUTE)))
      const store = db.store()
      const loaded = fields(await store.get('s1'))
      await theirs().touch('s1', newSession({ userId: 'eva' }))
      const at = await db.expiry('s1')
      loaded.saved = true
      await store.set('s1', loaded)
      expect(await db.expiry('s1')).to.equal(at)
      expect(await db.index('eva')).to.deep.equal({ s1: at })
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
})
