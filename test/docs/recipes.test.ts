/** The recipes do what docs/recipes.md promises. */
import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import express, { type Express } from 'express'
import session from 'express-session'
import request from 'supertest'
import { adminRoutes } from '../../examples/recipes/admin.ts'
import { changePassword } from '../../examples/recipes/change-password.ts'
import { encryptedSerializer, type Key } from '../../examples/recipes/encryption.ts'
import { storeWithLimits } from '../../examples/recipes/limit-by-role.ts'
import { passportApp, type Users } from '../../examples/recipes/passport-app.ts'
import '../../examples/recipes/session-data.ts'
import { startSession } from '../../examples/recipes/start-session.ts'
import { issueToken, revokeToken, tokenService } from '../../examples/recipes/token-service.ts'
import { CorruptSessionError, type UserSessionStore } from '../../src/index.ts'
import { sessionIdIn } from '../support/app.ts'
import { HOUR, inMs, MINUTE, rejection, useDatabase } from '../support/database.ts'
import { connect } from '../support/hooks.ts'
import { fields, newSession, usedCookie } from '../support/sessions.ts'
import { MemoryAccounts } from './support/accounts.ts'
import { expectNoMarkup, MARKUP } from './support/markup.ts'

type Role = 'admin' | 'member'

describe('The recipes', () => {
  const db = useDatabase()

  /** An app that signs in every user who asks, with these further routes. */
  function app(store: UserSessionStore, extend: (app: Express) => void): Express {
    const app = express()
    app.use(session({ store, secret: 'a secret', resave: false, saveUninitialized: false }))
    app.post('/sign-in/:userId/:role', (req, res) => {
      Object.assign(req.session, { userId: req.params.userId, role: req.params.role as Role })
      res.end()
    })
    app.get('/me', (req, res) => res.json({ userId: req.session.userId, role: req.session.role }))
    extend(app)
    return app
  }

  async function signedIn(app: Express, userId: string, role: Role = 'member') {
    const browser = request.agent(app)
    const response = await browser.post(`/sign-in/${userId}/${role}`).expect(200)
    const me = async () => (await browser.get('/me')).body
    return Object.assign(browser, { me, id: sessionIdIn(response) as string })
  }

  describe('change-password', () => {
    let accounts: MemoryAccounts
    let store: UserSessionStore
    let onceLoaded: () => Promise<void>

    beforeEach(() => {
      onceLoaded = async () => {}
      accounts = new MemoryAccounts({ eva: 'admin', ada: 'member' })
      store = db.store()
    })

    const site = () =>
      app(store, (app) => {
        app.post('/start/:userId', async (req, res) => {
          const account = await accounts.byId(req.params.userId)
          res.json({ started: account !== null && (await startSession(req, accounts, account)) })
        })
        app.post('/password', async (req, res) => {
          await onceLoaded()
          const signedOut = await changePassword(store, accounts, req, 'new')
          res.status(signedOut === null ? 409 : 200).json(signedOut)
        })
      })

    async function started(site: Express, userId: string) {
      const browser = request.agent(site)
      const response = await browser.post(`/start/${userId}`)
      expect(response.body).to.deep.equal({ started: true })
      const me = async () => (await browser.get('/me')).body
      return Object.assign(browser, { me, id: sessionIdIn(response) as string })
    }

    const ids = async (userId: string) =>
      (await db.store().userSessions(userId)).map(({ sessionId }) => sessionId)

    it('this device stays, under a new session id, and the others are signed out', async () => {
      const app = site()
      const here = await started(app, 'eva')
      const [phone, other] = [await started(app, 'eva'), await started(app, 'ada')]
      const response = await here.post('/password').expect(200)
      expect(response.body).to.equal(1)
      expect(accounts.password('eva')).to.equal('new')
      const newId = sessionIdIn(response)
      expect(newId).to.be.a('string').and.not.equal(here.id)
      expect(await ids('eva')).to.deep.equal([newId])
      expect(await here.me()).to.deep.equal({ userId: 'eva', role: 'admin' })
      expect(await phone.me()).to.deep.equal({})
      expect(await other.me()).to.include({ userId: 'ada' })
      expect(await db.client.exists(db.sessionKey(here.id))).to.equal(0)
    })

    it('the role is that of the account, not that of the session', async () => {
      const here = await started(site(), 'eva')
      await store.updateUser('eva', { role: 'editor' })
      await here.post('/password').expect(200)
      expect(await here.me()).to.deep.equal({ userId: 'eva', role: 'admin' })
    })

    /** The moments of the request at which the admin interrupts, from its load to its answer. */
    const moments: Record<string, (interrupt: () => Promise<void>) => void> = {
      'after the session is loaded': (interrupt) => {
        onceLoaded = interrupt
      },
      'before the password is stored': (interrupt) => accounts.before('setPassword', interrupt),
      'after the password is stored': (interrupt) => accounts.after('setPassword', interrupt),
      'before the old session is destroyed': (interrupt) => around('destroy', { before: interrupt }),
      'after the old session is destroyed': (interrupt) => around('destroy', { after: interrupt }),
      'before the new session is saved': (interrupt) => around('set', { before: interrupt }),
      'after the new session is saved': (interrupt) => around('set', { after: interrupt }),
      'after the account was read again': (interrupt) => accounts.after('byId', interrupt),
    }

    /** Interrupts the first call of a method of the store, once. */
    function around(method: 'set' | 'destroy', { before, after }: Record<string, () => Promise<void>>) {
      const called = store[method].bind(store) as (...args: unknown[]) => Promise<void>
      Object.assign(store, {
        async [method](...args: unknown[]) {
          Object.assign(store, { [method]: called })
          const callback = typeof args.at(-1) === 'function' ? (args.pop() as () => void) : undefined
          await before?.()
          await called(...args)
          await after?.()
          callback?.()
        },
      })
    }

    for (const [moment, interruptAt] of Object.entries(moments)) {
      it(`a demotion ${moment} is not undone`, async () => {
        const here = await started(site(), 'eva')
        interruptAt(async () => {
          const account = await accounts.setRole('eva', 'member')
          const change = { role: account?.role, accountVersion: account?.version }
          await db.store().updateUser('eva', change as never)
        })
        await here.post('/password')
        expect(accounts.interruptions).to.equal(1)
        expect((await here.me()).role).to.not.equal('admin')
        for (const { data } of await db.store().userSessions('eva')) {
          expect(fields(data)).to.include({ role: 'member' })
        }
      })

      it(`a sign-out ${moment} is not undone`, async () => {
        const here = await started(site(), 'eva')
        interruptAt(async () => {
          await accounts.signOutEverywhere('eva')
          await db.store().destroyUser('eva')
        })
        await here.post('/password')
        expect(accounts.interruptions).to.equal(1)
        expect(await here.me()).to.deep.equal({})
        expect(await ids('eva')).to.deep.equal([])
      })
    }

    it('a sign-in during a sign-out everywhere fails to sign in', async () => {
      const app = site()
      around('set', {
        before: async () => {
          await accounts.signOutEverywhere('eva')
          await db.store().destroyUser('eva')
        },
      })
      const response = await request.agent(app).post('/start/eva')
      expect(response.body).to.deep.equal({ started: false })
      expect(await ids('eva')).to.deep.equal([])
    })
  })

  it('limit-by-role: signs out the device that was away longest, and never the new one', async () => {
    const told: unknown[] = []
    const store = storeWithLimits(db.options, (userId) => told.push(userId))
    for (const [n, ago] of [40, 10, 30].entries()) {
      await store.set(`s${n}`, newSession({ userId: 'eva', role: 'member' }, usedCookie(ago * MINUTE)))
    }
    const left = async () => (await store.userSessions('eva')).map(({ sessionId }) => sessionId)
    expect(await left()).to.deep.equal(['s1', 's2', 's0'])
    await store.set('s3', newSession({ userId: 'eva', role: 'member' }))
    expect(await left()).to.deep.equal(['s3', 's1', 's2'])
    await store.set('s4', newSession({ userId: 'eva', role: 'admin' }, usedCookie(20 * MINUTE)))
    expect(await left()).to.deep.equal(['s4'])
    await new Promise(setImmediate)
    expect(told).to.deep.equal(['eva', 'eva', 'eva', 'eva'])
  })

  it('limit-by-role: sign-ins at the same moment leave three', async () => {
    const store = storeWithLimits(db.options, () => {})
    const signIns = Array.from({ length: 6 }, (_, n) => store.set(`s${n}`, newSession({ userId: 'eva' })))
    await Promise.all(signIns)
    expect(await store.userSessions('eva')).to.have.lengthOf(3)
  })

  it('admin: signs a user out or removes a role, and only for admins', async () => {
    const store = db.store()
    const accounts = new MemoryAccounts({ root: 'admin', eva: 'admin', ada: 'member' })
    const site = app(store, (app) => app.use('/admin', adminRoutes(store, accounts)))
    const root = await signedIn(site, 'root', 'admin')
    const [phone, laptop] = await Promise.all([
      signedIn(site, 'eva', 'admin'),
      signedIn(site, 'eva', 'admin'),
    ])
    const member = await signedIn(site, 'ada')
    await member.post('/admin/users/eva/sign-out').expect(403)
    expect((await root.post('/admin/users/eva/demote')).body).to.deep.equal({ changed: 2 })
    expect(await phone.me()).to.deep.equal({ userId: 'eva', role: 'member' })
    await laptop.post('/admin/users/root/sign-out').expect(403)
    expect((await root.post('/admin/users/eva/sign-out')).body).to.deep.equal({ signedOut: 2 })
    expect([await phone.me(), await laptop.me()]).to.deep.equal([{}, {}])
    expect(await root.me()).to.deep.equal({ userId: 'root', role: 'admin' })
    await root.post('/admin/users/nobody/sign-out').expect(404)
    await root.post('/admin/users/nobody/demote').expect(404)
    expect(await accounts.byId('eva')).to.deep.equal({ id: 'eva', role: 'member', version: 3 })
  })

  it('token-service: tokens are issued, work, are listed beside browsers, and are revoked', async () => {
    const client = withDefaultPrefixes()
    const token = await issueToken(client, 'eva')
    const service = tokenService(client)
    const call = (header?: string) => {
      const get = request(service).get('/')
      return header ? get.set('Authorization', header) : get
    }
    expect((await call(`Bearer ${token}`)).text).to.equal('Hello eva')
    expect((await call()).status).to.equal(401)
    const markup = await call(`Bearer ${await issueToken(client, MARKUP)}`)
    expect(markup.text).to.equal(`Hello ${MARKUP}`)
    expectNoMarkup(markup)
    expect((await call('Bearer unknown')).status).to.equal(401)

    const store = db.store()
    await store.set('browser', newSession({ userId: 'eva' }))
    expect((await call('Bearer browser')).status).to.equal(401)
    expect((await store.userSessions('eva')).map(({ sessionId }) => sessionId)).to.have.members([
      token,
      'browser',
    ])
    await db.client.set(db.sessionKey('corrupt'), '{')
    expect((await call('Bearer corrupt')).status).to.equal(503)

    await revokeToken(client, token)
    expect((await call(`Bearer ${token}`)).status).to.equal(401)
  })

  /** The recipe has the default prefixes; here they lead to those of this test. */
  function withDefaultPrefixes() {
    const here = (key: string) =>
      key.replace(/^session:/, db.prefixes.prefix).replace(/^user:/, db.prefixes.userPrefix)
    type Options = { keys?: string[]; arguments?: string[] }
    const moved = ({ keys, ...rest }: Options) => ({ ...rest, keys: keys?.map(here) })
    return {
      get: (key: string) => db.client.get(here(key)),
      set: (key: string, ...rest: [string, object?]) => db.client.set(here(key), ...rest),
      getDel: (key: string) => db.client.getDel(here(key)),
      scan: (cursor: string, options: { MATCH: string; COUNT: number }) => db.client.scan(cursor, options),
      pExpireAt: (key: string, ...rest: [number, 'GT']) => db.client.pExpireAt(here(key), ...rest),
      eval: (script: string, options: Options) => db.client.eval(script, moved(options)),
      evalSha: (sha1: string, options: Options) => db.client.evalSha(sha1, moved(options)),
    }
  }

  describe('encryption', () => {
    const key = (id: string): Key => ({ id, secret: randomBytes(32) })

    it('the record in Redis reveals nothing, and the store reads, lists and updates it', async () => {
      const store = db.store({ serializer: encryptedSerializer([key('k1')]) })
      await store.set('s1', newSession({ userId: 'eva', diagnosis: 'secret' }))
      expect(await db.raw('s1')).to.match(/^k1\.[\w-]{16}\.[\w-]{22}\.[\w-]+$/)
      expect(fields(await store.get('s1'))).to.include({ userId: 'eva', diagnosis: 'secret' })
      expect(await store.updateUser('eva', { role: 'admin' })).to.equal(1)
      const [listed] = await store.userSessions('eva')
      expect(fields(listed?.data)).to.include({ diagnosis: 'secret', role: 'admin' })
      expect(await store.destroyUser('eva')).to.equal(1)
    })

    it('keys rotate: old records are read, and written with the new key when they are touched', async () => {
      const [old, current] = [key('k1'), key('k2')]
      await db.store({ serializer: encryptedSerializer([old]) }).set('s1', newSession({ userId: 'eva' }))
      const store = db.store({ serializer: encryptedSerializer([current, old]) })
      const loaded = fields(await store.get('s1'))
      loaded.cookie.expires = new Date(Date.now() + 2 * HOUR)
      await store.touch('s1', loaded)
      expect(await db.raw('s1')).to.match(/^k2\./)
      const after = db.store({ serializer: encryptedSerializer([current]) })
      expect(fields(await after.get('s1'))).to.include({ userId: 'eva' })
    })

    it('a record that was tampered with, or is under an unknown key, fails alone', async () => {
      const serializer = encryptedSerializer([key('k1')])
      const store = db.store({ serializer })
      await store.set('good', newSession({ userId: 'eva' }))
      await store.set('bad', newSession({ userId: 'eva' }))
      await store.set('moved', newSession({ userId: 'eva' }))
      const raw = (await db.raw('bad')) as string
      const flipped = raw.slice(0, -2) + (raw.at(-2) === 'A' ? 'B' : 'A') + raw.at(-1)
      const keepTtl = { expiration: { type: 'KEEPTTL' } } as const
      await db.client.set(db.sessionKey('bad'), flipped, keepTtl)
      await db.client.set(db.sessionKey('moved'), raw.replace('k1', 'k0'), keepTtl)
      for (const id of ['bad', 'moved'])
        expect(await rejection(store.get(id))).to.be.instanceOf(CorruptSessionError)
      expect((await store.userSessions('eva')).map(({ sessionId }) => sessionId)).to.deep.equal(['good'])
      expect(await store.destroyUser('eva')).to.equal(3)
    })

    it('a truncated authentication tag is refused', () => {
      const serializer = encryptedSerializer([key('k1')])
      const [id, iv, tag, text] = (serializer.stringify({ userId: 'eva' }) as string).split('.') as string[]
      expect(() => serializer.parse([id, iv, tag?.slice(0, 6), text].join('.'))).to.throw()
    })
  })

  describe('Passport, real', () => {
    const users: Users = {
      withPassword: async (name, password) => (password === 'right' ? { id: `id of ${name}`, name } : null),
      byId: async (id) => ({ id, name: id.replace('id of ', '') }),
    }

    const site = () => passportApp(db.store(), users, 'a secret')

    async function device(app: Express, name = 'eva') {
      const browser = request.agent(app)
      const response = await browser.post('/sign-in').type('form').send({ username: name, password: 'right' })
      expect(response.text).to.equal(`Hello ${name}`)
      const list = () => browser.get('/devices')
      return Object.assign(browser, { list, id: sessionIdIn(response) as string })
    }

    it('indexes a sign-in under the user that Passport knows, with the default userId', async () => {
      const eva = await device(site())
      expect(await db.index('id of eva')).to.have.all.keys(eva.id)
      expect((await eva.list()).body).to.have.lengthOf(1)
      expect(await db.record(eva.id)).to.deep.include({ passport: { user: 'id of eva' } })
    })

    it('a name with HTML in it is shown as text', async () => {
      const form = { username: MARKUP, password: 'right' }
      const response = await request(site()).post('/sign-in').type('form').send(form)
      expect(response.text).to.equal(`Hello ${MARKUP}`)
      expectNoMarkup(response)
    })

    it('a sign-in takes over nothing from the session before', async () => {
      const browser = await device(site())
      await db.store().updateUser('id of eva', { role: 'admin' })
      await browser.post('/sign-in').type('form').send({ username: 'ada', password: 'right' }).expect(200)
      const [session] = await db.store().userSessions('id of ada')
      expect(fields(session?.data)).to.not.have.property('role')
    })

    it('answers 503 without details while Redis fails, and no user is signed out', async () => {
      const client = await connect()
      const app = passportApp(db.store({ client }), users, 'a secret')
      const signIn = { username: 'eva', password: 'right' }
      const response = await request(app).post('/sign-in').type('form').send(signIn)
      const [cookie = ''] = response.headers['set-cookie'] as unknown as string[]
      client.destroy()
      const { error } = console
      const logged: unknown[] = []
      console.error = (...words) => logged.push(...words)
      const { status, text } = await request(app).get('/devices').set('Cookie', cookie)
      console.error = error
      expect(logged).to.have.lengthOf(1)
      expect([status, text]).to.deep.equal([503, 'Service Unavailable'])
      await request(site()).get('/devices').set('Cookie', cookie).expect(200)
    })

    it('a wrong password does not sign in', async () => {
      const browser = request.agent(site())
      await browser.post('/sign-in').type('form').send({ username: 'eva', password: 'wrong' }).expect(401)
      await browser.get('/devices').expect(401)
      expect(await db.keys()).to.deep.equal([])
    })

    it('a sign-in regenerates the session id, and the old session is gone from Redis and index', async () => {
      const eva = await device(site())
      const again = await eva.post('/sign-in').type('form').send({ username: 'eva', password: 'right' })
      const newId = sessionIdIn(again) as string
      expect(newId).to.not.equal(eva.id)
      expect(await db.index('id of eva')).to.have.all.keys(newId)
      expect(await db.keys()).to.have.lengthOf(2)
    })

    it('a sign-in as another user in the same browser moves to that user\u2019s index', async () => {
      const browser = await device(site())
      await browser.post('/sign-in').type('form').send({ username: 'ada', password: 'right' }).expect(200)
      expect(await db.index('id of eva')).to.deep.equal({})
      expect(Object.keys(await db.index('id of ada'))).to.have.lengthOf(1)
    })

    it('logout ends this session only', async () => {
      const app = site()
      const [phone, laptop] = await Promise.all([device(app), device(app)])
      expect((await phone.post('/sign-out')).text).to.equal('Bye')
      await phone.list().expect(401)
      expect((await laptop.list()).body).to.have.lengthOf(1)
      expect(await db.index('id of eva')).to.have.all.keys(laptop.id)
    })

    it('signing out the others works, and updateSession leaves it Passport\u2019s session', async () => {
      const app = site()
      const [phone, laptop] = await Promise.all([device(app), device(app)])
      expect((await phone.post('/sign-out-others')).body).to.deep.equal({ signedOut: 1 })
      await laptop.list().expect(401)
      expect(await db.store().updateUser('id of eva', { role: 'admin' })).to.equal(1)
      await phone.list().expect(200)
      expect(Date.parse(inMs(0))).to.be.lessThan(await db.expiry(phone.id))
    })
  })
})
