/** express-openid-connect with the store, over HTTP, and with an identity provider for tests. */
import { expect } from 'chai'
import express, { type Request, type Response } from 'express'
import { auth, type ConfigParams } from 'express-openid-connect'
import { openidConnectStore } from '../../src/express-openid-connect.ts'
import { type UserSessionStore, updateSession } from '../../src/index.ts'
import { HOUR, SECOND, useDatabase } from '../support/database.ts'
import { FetchBrowser, Gate, serve, type TestServer } from '../support/fetch-browser.ts'
import { type IdentityProvider, startIdentityProvider } from '../support/identity-provider.ts'
import { type Fields, fields } from '../support/sessions.ts'

const SECRET = 'a secret of the tests with 32 characters'

type Handler = (session: Fields, req: Request, res: Response) => unknown

describe('redis-user-sessions/express-openid-connect', () => {
  const db = useDatabase()
  const servers: TestServer[] = []
  let provider: IdentityProvider
  let store: UserSessionStore
  let created: (string | null)[]
  let gate: Gate
  let loaded: Gate

  before(async () => {
    provider = await startIdentityProvider()
  })
  after(() => provider.stop())
  beforeEach(() => {
    ;[created, gate, loaded, provider.user] = [[], new Gate(), new Gate(), 'eva']
    store = watched(db.store())
  })
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.stop()
  })

  function watched(store: UserSessionStore): UserSessionStore {
    return store.on('created', ({ userId }) => created.push(userId))
  }

  const routes: Record<string, Handler> = {
    '/visit': (_session, req) => req.oidc.user?.sub ?? 'nobody',
    '/session': (session) => session,
    '/add/:name': (session, req) => {
      session[req.params.name as string] = true
      return 'added'
    },
    '/slow': async (_session, req) => {
      loaded.open()
      await gate.opened
      return req.oidc.user?.sub ?? 'nobody'
    },
    '/slow-add/:name': async (session, req) => {
      loaded.open()
      await gate.opened
      session[req.params.name as string] = true
      return 'added'
    },
    '/slow-remove/:name': async (session, req) => {
      loaded.open()
      await gate.opened
      delete session[req.params.name as string]
      return 'removed'
    },
    '/slow-refresh': async (session, req) => {
      loaded.open()
      await gate.opened
      await req.oidc.accessToken?.refresh()
      session.late = true
      return 'refreshed'
    },
    '/add-cookie': (session) => {
      session.cookie = 'a biscuit'
      return 'added'
    },
  }

  async function browser(options: Partial<ConfigParams> = {}, own: UserSessionStore = store) {
    const app = express()
    const server = await serve(app)
    servers.push(server)
    app.use(
      auth({
        issuerBaseURL: provider.url,
        baseURL: server.url,
        clientID: provider.clientId,
        clientSecret: 'a secret of the client',
        secret: SECRET,
        authRequired: false,
        authorizationParams: { response_type: 'code', scope: 'openid' },
        session: { store: openidConnectStore(own), rollingDuration: HOUR / SECOND },
        ...options,
      }),
    )
    for (const [path, handler] of Object.entries(routes)) {
      app.get(path, async (req, res) => {
        const answer = await handler(Reflect.get(req, 'appSession'), req, res)
        if (typeof answer === 'string') res.send(answer)
        else res.json(answer)
      })
    }
    app.use((error: Error, _req: Request, res: Response, _next: () => void) => {
      res.status(503).send(error.message)
    })
    return new FetchBrowser(server.url)
  }

  const idOf = (device: FetchBrowser) => device.cookie('appSession') as string

  async function signedIn(options: Partial<ConfigParams> = {}, user = 'eva') {
    const device = await browser(options)
    provider.user = user
    await device.get('/login')
    expect((await device.get('/visit')).body).to.equal(user)
    return { device, id: idOf(device) }
  }

  it('signs in, loads and signs out', async () => {
    const { device, id } = await signedIn()
    expect((await store.userSessions('eva')).map(({ sessionId }) => sessionId)).to.deep.equal([id])
    expect((await device.get('/session')).body)
      .to.include('id_token')
      .and.not.include('openidHeader')
    await device.get('/logout')
    expect(await db.keys()).to.deep.equal([])
    expect((await device.get('/visit')).body).to.equal('nobody')
  })

  it('announces a sign-in once', async () => {
    const { device } = await signedIn()
    await device.get('/add/cart')
    expect(created).to.deep.equal(['eva'])
  })

  it('gives a visitor another session id at the sign-in, and keeps the session’s data', async () => {
    const device = await browser()
    await device.get('/add/cart')
    const before = idOf(device)
    await device.get('/login')
    expect(idOf(device)).to.not.equal(before)
    expect(JSON.parse((await device.get('/session')).body)).to.include({ userId: 'eva', cart: true })
    expect(await db.raw(before)).to.equal(null)
    expect(created).to.deep.equal([null, 'eva'])
  })

  it('keeps nothing of a user if another one signs in', async () => {
    const { device, id } = await signedIn()
    await device.get('/add/cart')
    provider.user = 'ada'
    await device.get('/login')
    expect((await device.get('/visit')).body).to.equal('ada')
    expect(JSON.parse((await device.get('/session')).body))
      .to.include({ userId: 'ada' })
      .and.not.have.property('cart')
    expect(await db.raw(id)).to.equal(null)
    expect(await store.userSessions('eva')).to.deep.equal([])
  })

  it('uses the user that the app names, if it names one', async () => {
    const named = db.store({ userId: (session) => fields(session).account as string })
    const afterCallback = (_req: unknown, _res: unknown, session: object) => ({
      ...session,
      account: 'an account',
    })
    store = named
    await signedIn({ afterCallback: afterCallback as never })
    expect(await named.userSessions('an account')).to.have.length(1)
    const userId = (_req: unknown, _res: unknown, session: object) => ({ ...session, userId: 'a user' })
    store = db.store()
    await signedIn({ afterCallback: userId as never })
    expect(await store.userSessions('a user')).to.have.length(1)
  })

  for (const path of ['/slow', '/slow-add/cart', '/slow-refresh']) {
    it(`Final: a request to ${path} does not bring back a session that was revoked while it ran`, async () => {
      const { device } = await signedIn()
      const answer = device.get(path)
      await loaded.opened
      expect(await store.destroyUser('eva')).to.equal(1)
      gate.open()
      expect((await answer).status).to.equal(200)
      expect(await db.keys()).to.deep.equal([])
      expect((await device.get('/visit')).body).to.equal('nobody')
    })

    it(`Final: nor does ${path}, if the browser has begun another session under the same id`, async () => {
      const { device, id } = await signedIn()
      const answer = device.get(path)
      await loaded.opened
      await store.destroyUser('eva')
      await device.get('/add/theme')
      expect(await db.record(id)).to.include({ theme: true })
      gate.open()
      await answer
      expect((await device.get('/visit')).body).to.equal('nobody')
      expect(await store.userSessions('eva')).to.deep.equal([])
    })
  }

  it('Nothing lost: overlapping requests keep each other’s additions and deletions', async () => {
    const { device, id } = await signedIn()
    await device.get('/add/banner')
    const answers = [device.get('/slow-add/cart'), device.get('/slow-remove/banner')]
    await loaded.opened
    await updateSession({ ...db.options, sessionId: id, data: { role: 'admin' } })
    await device.get('/add/theme')
    gate.open()
    await Promise.all(answers)
    const session = JSON.parse((await device.get('/session')).body)
    expect(session).to.include({ userId: 'eva', cart: true, theme: true, role: 'admin' })
    expect(session).to.not.have.property('banner')
  })

  it('evicts the oldest session at a sign-in beyond the limit, and not the new one', async () => {
    store = watched(db.store({ maxUserSessions: 2 }))
    const [first, second, third] = [await signedIn(), await signedIn(), await signedIn()]
    expect((await first.device.get('/visit')).body).to.equal('nobody')
    expect((await second.device.get('/visit')).body).to.equal('eva')
    expect((await third.device.get('/visit')).body).to.equal('eva')
  })

  it('refuses a sign-in beyond the limit, which the app sees', async () => {
    store = watched(db.store({ maxUserSessions: { limit: 1, onLimit: 'reject' } }))
    await signedIn()
    const device = await browser()
    expect((await device.get('/login')).status).to.equal(503)
    expect(await store.userSessions('eva')).to.have.length(1)
  })

  it('lists the session until its expiry, and reports its last use', async () => {
    const { id } = await signedIn()
    const [session] = await store.userSessions('eva')
    expect(session?.expires.getTime())
      .to.equal(await db.expiry(id))
      .and.within(Date.now() + HOUR / 2, Date.now() + HOUR)
    expect(session?.lastActive?.getTime()).to.be.within(Date.now() - 10 * SECOND, Date.now())
  })

  // Node's `fetch` fails with a TypeError if there is no answer.
  for (const failure of [new Error('the key service is away'), new TypeError('fetch failed')]) {
    it(`signs nobody out if a session cannot be loaded: ${failure.name}`, async () => {
      const { device, id } = await signedIn()
      let isAway = true
      const parse = async (text: string) => {
        if (isAway) throw failure
        return JSON.parse(text)
      }
      const server = await browser({}, db.store({ serializer: { parse, stringify: JSON.stringify } }))
      const other = Object.assign(new FetchBrowser(server.home), { cookies: new Map() })
      other.cookies.set(server.home, new Map([['appSession', id]]))
      for (const path of ['/visit', '/add/cart', '/login', '/logout']) {
        const { status, body } = await other.get(path)
        expect([status, body], path).to.deep.equal([503, failure.message])
      }
      isAway = false
      expect((await other.get('/visit')).body).to.equal('eva')
      expect((await device.get('/visit')).body).to.equal('eva')
    })
  }

  it('lets the user of a corrupt record sign in again', async () => {
    const { device, id } = await signedIn()
    await db.client.set(db.sessionKey(id), 'no JSON')
    expect((await device.get('/visit')).body).to.equal('nobody')
    await device.get('/login')
    expect((await device.get('/visit')).body).to.equal('eva')
  })

  it('keeps using sessions that another store wrote', async () => {
    const { device, id } = await signedIn()
    const { openidHeader, cookie, ...data } = await db.record(id)
    const { userId: _, ...session } = data
    await db.client.del([db.sessionKey(id), db.indexKey('eva')])
    const nested = {
      header: openidHeader,
      data: { ...session, cart: true },
      cookie: { expires: Date.now() + HOUR },
    }
    await db.client.set(db.sessionKey(id), JSON.stringify(nested), {
      expiration: { type: 'EX', value: 3600 },
    })
    expect((await device.get('/visit')).body).to.equal('eva')
    expect(await db.record(id))
      .to.include({ cart: true, userId: 'eva' })
      .and.not.have.any.keys('data', 'header')
    expect(await store.userSessions('eva')).to.have.length(1)
  })

  it('refuses a property named cookie, and changes nothing', async () => {
    const { device, id } = await signedIn()
    const before = await db.raw(id)
    const { status, body } = await device.get('/add-cookie')
    expect([status, body]).to.deep.equal([
      503,
      'req.appSession must not have a property cookie, which says when a session expires',
    ])
    expect(await db.raw(id)).to.equal(before)
  })

  describe('back-channel logout', () => {
    const logout = (expires: number) => ({ cookie: { expires, maxAge: HOUR } })
    const answer = <T>(work: (done: (error?: unknown, result?: T) => void) => void) =>
      new Promise<T | undefined>((resolve, reject) =>
        work((error, result) => (error ? reject(error) : resolve(result))),
      )

    it('keeps an entry until it ends, and no longer', async () => {
      const adapter = openidConnectStore(store)
      const key = `${provider.url}|eva`
      const expires = Date.now() + HOUR
      await answer((done) => adapter.set(key, logout(expires), done))
      expect(await answer((done) => adapter.get(key, done))).to.be.an('object')
      expect(await db.expiry(key)).to.equal(expires)
      await answer((done) => adapter.set(key, logout(expires + HOUR), done))
      expect(await db.expiry(key)).to.equal(expires + HOUR)
      await answer((done) => adapter.destroy(key, done))
      expect(await answer((done) => adapter.get(key, done))).to.equal(null)
    })

    it('is not triggered by a failure', async () => {
      const parse = async () => Promise.reject(new Error('the key service is away'))
      const adapter = openidConnectStore(db.store({ serializer: { parse, stringify: JSON.stringify } }))
      const key = `${provider.url}|eva`
      await answer((done) => openidConnectStore(store).set(key, logout(Date.now() + HOUR), done))
      const error = await answer((done) => adapter.get(key, done)).catch((error) => error)
      expect(error).to.be.an('error').with.property('message', 'the key service is away')
    })
  })

  it('accepts only a store', () => {
    for (const store of [undefined, {}, db.client]) {
      expect(() => openidConnectStore(store as never)).to.throw(
        TypeError,
        /^store must be a UserSessionStore/,
      )
    }
  })
})
