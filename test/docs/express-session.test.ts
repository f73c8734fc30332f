/** The behavior of express-session that docs/production.md and docs/migration.md describe. */
import { expect } from 'chai'
import express, { type ErrorRequestHandler, type Express } from 'express'
import session, { type SessionOptions } from 'express-session'
import request from 'supertest'
import { keepOnFailedLoad } from '../../examples/recipes/keep-on-failed-load.ts'
import type { UserSessionStore } from '../../src/index.ts'
import { sessionIdIn, sessionOf } from '../support/app.ts'
import { HOUR, inMs, MINUTE, useDatabase } from '../support/database.ts'
import { failBefore } from '../support/paused-client.ts'

describe('express-session, as documented', () => {
  const db = useDatabase()

  function app(
    store: UserSessionStore,
    options: Partial<SessionOptions>,
    ...handlers: ErrorRequestHandler[]
  ) {
    const app = express()
    app.use(session({ store, secret: 'a secret', resave: false, saveUninitialized: false, ...options }))
    for (const handler of handlers) app.use(handler)
    app.post('/sign-in', (req, res) => {
      Object.assign(req.session, { userId: 'eva', ...req.query })
      res.end()
    })
    app.post('/sign-out', (req, res) => {
      Object.assign(req, { session: null })
      res.end()
    })
    app.get('/', (req, res) => res.json({ userId: sessionOf(req).userId }))
    app.use(((_error, _req, res, _next) => {
      res.sendStatus(503)
    }) satisfies ErrorRequestHandler)
    return app
  }

  async function signIn(site: Express, query = ''): Promise<{ cookie: string; id: string }> {
    const response = await request(site).post(`/sign-in${query}`).expect(200)
    const [cookie = ''] = response.headers['set-cookie'] as unknown as string[]
    return { cookie: cookie.split(';')[0] as string, id: sessionIdIn(response) as string }
  }

  describe("unset: 'destroy'", () => {
    const unset = { unset: 'destroy' } as const

    /** A store whose next load fails, like after a lost connection. */
    function failingOnce() {
      const isLoad = ({ command }: { command: string }) => command === 'get'
      const { client } = failBefore(db.client, isLoad, new Error('Socket closed unexpectedly'))
      return db.store({ client: client as never })
    }

    it('one failed load signs out, without the recipe', async () => {
      const { cookie } = await signIn(app(db.store(), unset))
      await request(app(failingOnce(), unset)).get('/').set('Cookie', cookie).expect(503)
      expect(await db.store().userSessions('eva')).to.deep.equal([])
    })

    it('with the default, a failed load signs no user out', async () => {
      const { cookie, id } = await signIn(app(db.store(), {}))
      await request(app(failingOnce(), {})).get('/').set('Cookie', cookie).expect(503)
      expect(await db.raw(id)).to.be.a('string')
    })

    it('with keepOnFailedLoad, a failed load signs no user out, and unsetting the session still destroys it', async () => {
      const { cookie } = await signIn(app(db.store(), unset))
      const site = app(failingOnce(), unset, keepOnFailedLoad)
      await request(site).get('/').set('Cookie', cookie).expect(503)
      expect((await request(site).get('/').set('Cookie', cookie)).body).to.deep.equal({ userId: 'eva' })
      await request(site).post('/sign-out').set('Cookie', cookie).expect(200)
      expect(await db.store().userSessions('eva')).to.deep.equal([])
    })
  })

  describe("an app's own req.session.expires", () => {
    const soon = () => `?expires=${encodeURIComponent(inMs(5 * MINUTE))}`
    const ago = () => `?expires=${encodeURIComponent(inMs(-MINUTE))}`

    it('ends the session if the cookie has no maxAge', async () => {
      const site = app(db.store(), { cookie: {} })
      const { id } = await signIn(site, soon())
      expect((await db.expiry(id)) - Date.now()).to.be.within(4 * MINUTE, 5 * MINUTE)
      const over = await signIn(site, ago())
      expect((await request(site).get('/').set('Cookie', over.cookie)).body).to.deep.equal({})
    })

    it('does not count if the cookie has a maxAge, or if it is no ISO 8601 timestamp', async () => {
      const { id } = await signIn(app(db.store(), { cookie: { maxAge: HOUR } }), soon())
      expect((await db.expiry(id)) - Date.now()).to.be.greaterThan(50 * MINUTE)
      const other = await signIn(app(db.store(), { cookie: {} }), '?expires=1764105600')
      expect((await db.expiry(other.id)) - Date.now()).to.be.greaterThan(23 * HOUR)
    })
  })
})
