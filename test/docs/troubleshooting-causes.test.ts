/** The causes in docs/troubleshooting.md lead to the described symptoms, and the fixes there help. */
import { expect } from 'chai'
import { RedisStore } from 'connect-redis'
import express from 'express'
import session, { type SessionOptions } from 'express-session'
import request from 'supertest'
import { createSession, getUserSessions, type UserSessionStore } from '../../src/index.ts'
import { appWith, type Routes, sessionOf } from '../support/app.ts'
import { HOUR, inMs, MINUTE, useDatabase } from '../support/database.ts'
import { newSession } from '../support/sessions.ts'

describe('The causes in docs/troubleshooting.md', () => {
  const db = useDatabase()
  let store: UserSessionStore
  beforeEach(() => {
    store = db.store()
  })

  const listed = async (userId: string, by = store) => (await by.userSessions(userId)).length

  describe("A user's list is empty", () => {
    it('because the session does not name its owner in userId', async () => {
      await store.set('s1', newSession({ user: { id: 'eva' } }))
      expect(await listed('eva')).to.equal(0)
      const knowing = db.store({ userId: (data) => (data as { user?: { id?: string } }).user?.id })
      await knowing.set('s2', newSession({ user: { id: 'eva' } }))
      expect(await listed('eva', knowing)).to.equal(1)
    })

    it('because a function looks under another prefix', async () => {
      await store.set('s1', newSession({ userId: db.prefixes.prefix }))
      const asked = { client: db.client, userId: db.prefixes.prefix }
      expect(await getUserSessions(asked)).to.deep.equal([])
      expect(await getUserSessions({ ...asked, ...db.prefixes })).to.have.lengthOf(1)
    })

    it('because connect-redis wrote the session, until reindex', async () => {
      const old = new RedisStore({ client: db.client, prefix: db.prefixes.prefix })
      await old.set('s1', newSession({ userId: 'eva' }))
      expect(await listed('eva')).to.equal(0)
      await store.reindex()
      expect(await listed('eva')).to.equal(1)
    })

    it('because the session is not saved yet', async () => {
      const routes: Routes = {
        '/at-once': async (req, res) => {
          Object.assign(req.session, { userId: 'eva' })
          res.json(await listed('eva'))
        },
        '/after-save': (req, res) => {
          Object.assign(req.session, { userId: 'bob' })
          req.session.save(async () => res.json(await listed('bob')))
        },
      }
      const app = appWith(store, routes)
      expect((await request(app).get('/at-once')).body).to.equal(0)
      expect((await request(app).get('/after-save')).body).to.equal(1)
    })

    it('because the id is written in another way', async () => {
      await store.set('s1', newSession({ userId: 'eva' }))
      expect([await listed('Eva'), await listed('eva')]).to.deep.equal([0, 1])
    })

    it('because Redis has evicted the index, until reindex', async () => {
      await store.set('s1', newSession({ userId: 'eva' }))
      await db.client.del(db.indexKey('eva'))
      expect(await listed('eva')).to.equal(0)
      await store.reindex()
      expect(await listed('eva')).to.equal(1)
    })
  })

  const signIn: Routes = {
    '/sign-in': (req, res) => {
      Object.assign(req.session, { userId: 'eva' })
      res.end()
    },
    '/': (req, res) => res.json(sessionOf(req).userId ?? 'nobody'),
  }

  describe('Everybody is signed out', () => {
    it('because of another secret, while the sessions are still there', async () => {
      const restarted = appWith(store, signIn, { secret: 'another secret' })
      const { headers } = await request(appWith(store, signIn)).get('/sign-in')
      const cookie = headers['set-cookie']?.[0] ?? ''
      const both = appWith(store, signIn, { secret: ['another secret', 'a secret of the tests'] })
      const asked = (app: typeof both) => request(app).get('/').set('Cookie', cookie)
      expect((await asked(restarted)).body).to.equal('nobody')
      expect(await store.length()).to.equal(1)
      expect((await asked(both)).body).to.equal('eva')
    })
  })

  describe('The browser stays signed out', () => {
    function cookiesOf(trustsProxy: boolean, route = '/sign-in') {
      const app = express()
      if (trustsProxy) app.set('trust proxy', 1)
      const options: SessionOptions = { store, secret: 'a secret', resave: false, saveUninitialized: false }
      app.use(session({ ...options, cookie: { secure: true } }))
      for (const [path, handler] of Object.entries(signIn)) app.get(path, handler)
      return request(app)
        .get(route)
        .set('X-Forwarded-Proto', 'https')
        .then(({ headers }) => headers['set-cookie'])
    }

    it('because the request looks like plain HTTP, until the app trusts the proxy', async () => {
      expect(await cookiesOf(false)).to.equal(undefined)
      expect(await cookiesOf(true)).to.have.lengthOf(1)
    })

    it('because nothing was written into the session', async () => {
      expect(await cookiesOf(true, '/')).to.equal(undefined)
    })
  })

  it('lastActive is missing, because the cookie has no maxAge', async () => {
    await store.set(
      's1',
      newSession({ userId: 'eva' }, { ...newSession().cookie, originalMaxAge: null } as never),
    )
    await createSession({ ...db.options, data: { userId: 'eva', expires: inMs(HOUR) } })
    for (const each of await store.userSessions('eva'))
      expect(each).to.not.have.any.keys('lastActive', 'created')
    await store.set('s2', newSession({ userId: 'bob' }))
    expect((await store.userSessions('bob'))[0]?.lastActive).to.be.instanceOf(Date)
  })

  it('a session ends too soon, because the app keeps another `expires` in it', async () => {
    const token = { userId: 'eva', expires: inMs(MINUTE) }
    const noMaxAge = { originalMaxAge: null, httpOnly: true, path: '/' } as never
    await store.set('without', newSession(token, noMaxAge))
    await store.set('with', newSession(token))
    const ends = async (id: string) => (await db.expiry(id)) - Date.now()
    expect(await ends('without')).to.be.at.most(MINUTE)
    expect(await ends('with')).to.be.above(MINUTE)
  })

  it('a change is missing because the session was signed out before it was saved', async () => {
    await store.set('s1', newSession({ userId: 'eva' }))
    const loaded = await store.get('s1')
    await store.destroyUser('eva')
    await store.set('s1', Object.assign(loaded as object, { cart: ['tea'] }) as never)
    expect(await store.get('s1')).to.equal(null)
  })
})
