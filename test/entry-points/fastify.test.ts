/** @fastify/session with the store, over HTTP. */
import fastifyCookie from '@fastify/cookie'
import fastifySession from '@fastify/session'
import { expect } from 'chai'
import { type FastifyInstance, type FastifyRequest, fastify } from 'fastify'
import { fastifySessionStore } from '../../src/fastify.ts'
import { createSession, type UserSessionStore, updateSession } from '../../src/index.ts'
import { HOUR, inMs, MINUTE, useDatabase } from '../support/database.ts'
import { FetchBrowser, Gate } from '../support/fetch-browser.ts'
import { type Fields, fields } from '../support/sessions.ts'

const SECRET = 'a secret of the tests with 32 characters'

/** As a change tracker does: it wraps all objects that it finds. */
function wrapped<T extends object>(object: T): T {
  return new Proxy(object, {
    get(target, name, receiver) {
      const value = Reflect.get(target, name, receiver)
      return typeof value === 'object' && value !== null && !(value instanceof Date) ? wrapped(value) : value
    },
  })
}

type Handler = (session: FastifyRequest['session'] & Fields, request: FastifyRequest) => unknown
type SessionOptions = Partial<fastifySession.FastifySessionOptions>

describe('redis-user-sessions/fastify', () => {
  const db = useDatabase()
  const apps: FastifyInstance[] = []
  let store: UserSessionStore
  let created: string[]
  let gate: Gate
  let loaded: Gate

  beforeEach(() => {
    ;[created, gate, loaded] = [[], new Gate(), new Gate()]
    store = watched(db.store())
  })
  afterEach(async () => {
    for (const app of apps.splice(0)) await app.close()
  })

  function watched(store: UserSessionStore): UserSessionStore {
    return store.on('created', ({ sessionId }) => created.push(sessionId))
  }

  const routes: Record<string, Handler> = {
    '/visit': (session) => session.userId ?? 'nobody',
    '/sign-in/:name': async (session, request) => {
      await session.regenerate()
      const { name } = request.params as { name: string }
      Object.assign(request.session, { userId: name })
      return request.session.sessionId
    },
    '/slow': async (session) => {
      loaded.open()
      await gate.opened
      return session.userId ?? 'nobody'
    },
    '/slow-add/:name': async (session, request) => {
      loaded.open()
      await gate.opened
      session[(request.params as { name: string }).name] = true
      return 'added'
    },
    '/slow-remove/:name': async (session, request) => {
      loaded.open()
      await gate.opened
      delete session[(request.params as { name: string }).name]
      return 'removed'
    },
    '/slow-save': async (session) => {
      loaded.open()
      await gate.opened
      session.late = true
      await session.save()
      session.later = true
      return 'saved'
    },
    '/slow-reload': async (session, request) => {
      loaded.open()
      await gate.opened
      await session.reload()
      return request.session.get('userId' as never) ?? 'nobody'
    },
    '/add/:name': (session, request) => {
      session[(request.params as { name: string }).name] = true
      return 'added'
    },
    '/sign-out': async (session) => {
      await session.destroy()
      return 'signed out'
    },
    '/for-a-minute': (session) => {
      session.options({ maxAge: MINUTE })
      return 'for a minute'
    },
    '/sealed/:name': (session, request) => {
      session[(request.params as { name: string }).name] = true
      Object.seal(session)
      return 'sealed'
    },
    '/wrapped/:name': (session, request) => {
      Object.assign(request, { session: wrapped(session) })
      Object.assign(request.session, { [(request.params as { name: string }).name]: true })
      return 'wrapped'
    },
    '/keys': (session) => Object.keys(session).sort(),
  }

  async function browser(options: SessionOptions = {}, own: UserSessionStore = store): Promise<FetchBrowser> {
    const app = fastify()
    app.register(fastifyCookie)
    app.register(fastifySession, {
      secret: SECRET,
      store: fastifySessionStore(own),
      cookie: { secure: false, maxAge: HOUR },
      ...options,
    })
    for (const [path, handler] of Object.entries(routes)) {
      app.get(path, (request) => handler(request.session as never, request))
    }
    apps.push(app)
    return new FetchBrowser(await app.listen({ port: 0, host: '127.0.0.1' }))
  }

  async function signedIn(options: SessionOptions = {}, name = 'eva') {
    const device = await browser(options)
    const { body: id } = await device.get(`/sign-in/${name}`)
    return { device, id }
  }

  for (const rolling of [true, false]) {
    it(`signs in, loads and signs out, with rolling: ${rolling}`, async () => {
      const { device, id } = await signedIn({ rolling })
      expect((await device.get('/visit')).body).to.equal('eva')
      expect((await store.userSessions('eva')).map(({ sessionId }) => sessionId)).to.deep.equal([id])
      await device.get('/sign-out')
      expect(await db.keys()).to.deep.equal([])
      expect((await device.get('/visit')).body).to.equal('nobody')
    })
  }

  for (const path of ['/sealed', '/wrapped']) {
    it(`saves a session that is ${path.slice(1)}, new and loaded`, async () => {
      const { device, id } = await signedIn()
      for (const name of ['a', 'b']) expect((await device.get(`${path}/${name}`)).status).to.equal(200)
      expect(await db.record(id)).to.include({ userId: 'eva', a: true, b: true })
      const visitor = await browser()
      expect((await visitor.get(`${path}/a`)).status).to.equal(200)
      expect((await visitor.get(`${path}/b`)).status).to.equal(200)
      expect(await store.destroyUser('eva')).to.equal(1)
      const [anonymous] = await store.all()
      expect(anonymous).to.include({ a: true, b: true })
    })
  }

  it('announces a sign-in once', async () => {
    const { device, id } = await signedIn()
    await device.get('/visit')
    await device.get('/add/cart')
    expect(created.filter((each) => each === id)).to.have.length(1)
  })

  for (const path of ['/slow', '/slow-add/cart', '/slow-save']) {
    it(`Final: a request to ${path} does not bring back a session that was revoked while it ran`, async () => {
      const { device } = await signedIn()
      const before = await db.keys()
      expect(before).to.not.deep.equal([])
      const answer = device.get(path)
      await loaded.opened
      expect(await store.destroyUser('eva')).to.equal(1)
      gate.open()
      expect((await answer).status).to.equal(200)
      expect((await store.userSessions('eva')).length).to.equal(0)
      expect(await db.keys()).to.deep.equal([])
    })
  }

  it('Final: a session that is reloaded after its revocation is empty and anonymous', async () => {
    const { device, id } = await signedIn()
    const answer = device.get('/slow-reload')
    await loaded.opened
    await store.destroyUser('eva')
    gate.open()
    expect((await answer).body).to.equal('nobody')
    expect(Object.keys(await db.record(id))).to.deep.equal(['cookie'])
    expect(await store.userSessions('eva')).to.deep.equal([])
  })

  it('Nothing lost: overlapping requests keep each other’s additions and deletions', async () => {
    const { device, id } = await signedIn()
    await device.get('/add/banner')
    const answers = [device.get('/slow-add/cart'), device.get('/slow-remove/banner')]
    await loaded.opened
    await updateSession({ ...db.options, sessionId: id, data: { role: 'admin' } })
    await device.get('/add/theme')
    gate.open()
    await Promise.all(answers)
    const record = await db.record(id)
    expect(record).to.include({ userId: 'eva', cart: true, theme: true, role: 'admin' })
    expect(record).to.not.have.property('banner')
  })

  it('merges each request with the data that it loaded itself, even if other requests have loaded since', async () => {
    const { device, id } = await signedIn()
    const answer = device.get('/slow-add/cart')
    await loaded.opened
    await device.get('/add/theme')
    await device.get('/visit')
    gate.open()
    await answer
    expect(await db.record(id)).to.include({ userId: 'eva', cart: true, theme: true })
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
    expect((await device.get('/sign-in/eva')).status).to.equal(500)
    expect(await store.userSessions('eva')).to.have.length(1)
  })

  it('keeps the expiry that a session asks for', async () => {
    const { device, id } = await signedIn()
    await device.get('/for-a-minute')
    expect(await db.expiry(id)).to.be.within(Date.now() + MINUTE / 2, Date.now() + MINUTE)
    await device.get('/visit')
    expect(await db.expiry(id)).to.be.within(Date.now() + MINUTE / 2, Date.now() + MINUTE)
    expect((await db.record(id)).cookie)
      .to.include({ originalMaxAge: MINUTE })
      .and.not.have.property('originalExpires')
  })

  it('lists the session until its expiry, and reports its last use', async () => {
    const { device, id } = await signedIn()
    await device.get('/visit')
    const [session] = await store.userSessions('eva')
    expect(session?.expires.getTime()).to.equal(await db.expiry(id))
    expect(session?.lastActive?.getTime()).to.be.within(Date.now() - MINUTE, Date.now())
  })

  it('ends a session of the functions by its own expires', async () => {
    const { device, id } = await signedIn()
    const expires = inMs(MINUTE)
    await store.destroy(id)
    const data = { userId: 'eva', expires, sessionId: 'kept', encryptedSessionId: 'kept too' }
    await createSession({ ...db.options, sessionId: id, data })
    expect((await device.get('/add/cart')).body).to.equal('added')
    expect(await db.expiry(id)).to.equal(Date.parse(expires))
    expect(await db.record(id)).to.deep.equal({ ...data, cart: true })
  })

  it('shows no property of its own in a session that was saved, nor in its record', async () => {
    const { device, id } = await signedIn()
    await device.get('/add/cart')
    expect(Object.keys(await db.record(id)).sort()).to.deep.equal(['cart', 'cookie', 'userId'])
    const seen: Fields[] = []
    const stringify = (session: unknown) => {
      seen.push(session as Fields)
      return JSON.stringify(session)
    }
    const own = db.store({ serializer: { parse: JSON.parse, stringify } })
    const other = await browser({}, own)
    await other.get('/sign-in/ada')
    await other.get('/add/cart')
    for (const session of seen) expect(Reflect.ownKeys(session)).to.not.include('redis-user-sessions')
    expect(seen.flatMap((session) => Object.getOwnPropertySymbols(session))).to.deep.equal([])
  })

  it('does not treat a copy of a session under another id as an update of the first', async () => {
    const { device, id } = await signedIn()
    const data = fields(await store.get(id))
    expect(data.userId).to.equal('eva')
    const adapter = fastifySessionStore(store)
    const session = await new Promise<Fields>((resolve, reject) =>
      adapter.get<Fields>(id, (error, session) => (session ? resolve(session) : reject(error))),
    )
    await store.destroy(id)
    await new Promise<void>((resolve) => adapter.set('another', { ...session }, () => resolve()))
    expect((await store.userSessions('eva')).map(({ sessionId }) => sessionId)).to.deep.equal(['another'])
    expect((await device.get('/visit')).body).to.equal('nobody')
  })

  it('answers an error, and not "signed out", if a session cannot be loaded', async () => {
    const { device, id } = await signedIn()
    await db.client.set(db.sessionKey(id), 'no JSON')
    expect((await device.get('/visit')).status).to.equal(500)
  })

  it('accepts only a store', () => {
    for (const store of [undefined, {}, db.client]) {
      expect(() => fastifySessionStore(store as never)).to.throw(
        TypeError,
        /^store must be a UserSessionStore/,
      )
    }
  })
})
