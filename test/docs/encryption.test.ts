/**
 * Encryption as in docs/recipes.md: rolling it out and back, rotating keys, and signing in again after an unreadable
 * session.
 */
import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import express, { type ErrorRequestHandler, type Express } from 'express'
import session from 'express-session'
import request from 'supertest'
import { replaceCorruptSession } from '../../examples/recipes/corrupt-session.ts'
import { type EncryptionOptions, encryptedSerializer, type Key } from '../../examples/recipes/encryption.ts'
import '../../examples/recipes/session-data.ts'
import type { Serializer, UserSessionStore } from '../../src/index.ts'
import { sessionIdIn } from '../support/app.ts'
import { HOUR, useDatabase } from '../support/database.ts'
import { failBefore } from '../support/paused-client.ts'

const key = (id: string): Key => ({ id, secret: randomBytes(32) })

describe('Encrypted sessions over HTTP', () => {
  const db = useDatabase()
  const [k1, k2] = [key('k1'), key('k2')]
  let warnings: unknown[][]
  const { warn } = console

  beforeEach(() => {
    warnings = []
    console.warn = (...words) => warnings.push(words)
  })

  afterEach(() => {
    console.warn = warn
  })

  /** A version of the app with this serializer. */
  function version(serializer?: Serializer, client = db.client): Express & { store: UserSessionStore } {
    const store = db.store({ client, ...(serializer && { serializer }) })
    const app = express()
    app.use(
      session({
        store,
        secret: 'a secret',
        resave: false,
        saveUninitialized: false,
        cookie: { maxAge: HOUR },
      }),
    )
    app.use(replaceCorruptSession)
    app.post('/sign-in/:userId', (req, res, next) => {
      req.session.regenerate((error) => {
        if (error) return next(error)
        req.session.userId = req.params.userId
        res.json(req.session)
      })
    })
    app.post('/role', (req, res) => {
      req.session.role = req.session.role === 'editor' ? 'member' : 'editor'
      res.json(req.session)
    })
    app.get('/', (req, res) => res.json({ userId: req.session.userId }))
    app.use(((error, _req, res, next) => {
      if (res.headersSent) return next(error)
      res.sendStatus(503)
    }) satisfies ErrorRequestHandler)
    return Object.assign(app, { store })
  }

  const encrypted = (keys: [Key, ...Key[]], options?: EncryptionOptions) =>
    version(encryptedSerializer(keys, options))

  /** A browser that a load balancer sends to any version of the app. */
  class Browser {
    id = ''
    cookie = ''

    async send(app: Express, method: 'get' | 'post', path: string) {
      const response = await request(app)[method](path).set('Cookie', this.cookie)
      const [cookie] = (response.headers['set-cookie'] as unknown as string[] | undefined) ?? []
      if (cookie) this.cookie = cookie.split(';')[0] as string
      this.id = sessionIdIn(response) ?? this.id
      return response
    }

    async signedIn(app: Express, userId = 'eva') {
      await this.send(app, 'post', `/sign-in/${userId}`)
      return this
    }

    async userId(app: Express): Promise<string | undefined> {
      const response = await this.send(app, 'get', '/')
      expect(response.status).to.equal(200)
      return response.body.userId
    }
  }

  const isEncrypted = async ({ id }: Browser) => !(await db.raw(id))?.startsWith('{')

  const plain = () => version()
  const firstStep = () => encrypted([k1], { readPlain: true, writePlain: true })
  const secondStep = () => encrypted([k1], { readPlain: true })
  const lastStep = () => encrypted([k1])

  describe('rolling out', () => {
    const steps = [plain, firstStep, secondStep, lastStep]

    it('each step signs no user out, and reads the records of the steps before and after', async () => {
      for (const [n, earlier] of steps.slice(0, -1).entries()) {
        const later = steps[n + 1] as () => Express
        const [old, fresh] = [await new Browser().signedIn(earlier()), await new Browser().signedIn(later())]
        expect(await old.userId(later()), `step ${n}, later`).to.equal(
          later === lastStep && !(await isEncrypted(old)) ? undefined : 'eva',
        )
        expect(await fresh.userId(earlier()), `step ${n}, earlier`).to.equal('eva')
      }
    })

    it('the first step writes plain records, which the version without encryption reads', async () => {
      const browser = await new Browser().signedIn(firstStep())
      expect(await isEncrypted(browser)).to.equal(false)
      expect(await browser.userId(plain())).to.equal('eva')
    })

    it('in the second step a plain session continues, and is encrypted at its next save', async () => {
      const browser = await new Browser().signedIn(plain())
      expect(await browser.userId(secondStep())).to.equal('eva')
      expect((await browser.send(secondStep(), 'post', '/role')).body).to.include({ role: 'editor' })
      expect(await isEncrypted(browser)).to.equal(true)
      expect(await browser.userId(lastStep())).to.equal('eva')
    })

    it('the store lists, updates and signs out both kinds in the second step', async () => {
      await new Browser().signedIn(plain())
      await new Browser().signedIn(secondStep())
      const { store } = secondStep()
      expect(await store.userSessions('eva')).to.have.lengthOf(2)
      expect(await store.updateUser('eva', { role: 'editor' })).to.equal(2)
      expect(await store.destroyUser('eva')).to.equal(2)
    })

    it('the last step refuses a plain record that another program wrote to Redis', async () => {
      const forged = async (app: Express) => {
        const browser = await new Browser().signedIn(app, 'mallory')
        const record = JSON.stringify({ userId: 'root', cookie: { originalMaxAge: HOUR } })
        await db.client.set(db.sessionKey(browser.id), record, { PX: HOUR })
        return browser.userId(app)
      }
      expect(await forged(secondStep()), 'as long as plain records are read').to.equal('root')
      expect(await forged(lastStep())).to.equal(undefined)
    })

    it('rolls back: encrypted sessions go on, and are plain again when they are saved', async () => {
      const browser = await new Browser().signedIn(secondStep())
      expect(await browser.userId(firstStep())).to.equal('eva')
      await browser.send(firstStep(), 'post', '/role')
      expect(await browser.userId(plain())).to.equal('eva')
    })
  })

  it('rotates: a new key is first read everywhere, then written', async () => {
    const before = () => encrypted([k1])
    const reading = () => encrypted([k1, k2])
    const writing = () => encrypted([k2, k1])
    const browser = await new Browser().signedIn(before())
    expect(await browser.userId(writing())).to.equal('eva')
    await browser.send(writing(), 'post', '/role')
    expect(await db.raw(browser.id)).to.match(/^k2\./)
    expect(await browser.userId(reading())).to.equal('eva')
    await browser.send(writing(), 'post', '/role')
    expect(await browser.userId(encrypted([k2]))).to.equal('eva')
  })

  describe('a session that cannot be read', () => {
    const broken: Record<string, (record: string) => string> = {
      'not even JSON': () => '{"userId":"eva"',
      'of an unknown key': (record) => record.replace('k1', 'k0'),
      'cut short': (record) => record.slice(0, -8),
      'without its parts': () => 'k1',
      'with a short authentication tag': (record) => {
        const [id, iv, tag, text] = record.split('.')
        return [id, iv, tag?.slice(0, 6), text].join('.')
      },
      'changed by one bit': (record) =>
        record.slice(0, -2) + (record.at(-2) === 'A' ? 'B' : 'A') + record.at(-1),
      empty: () => '',
    }

    for (const [how, damage] of Object.entries(broken)) {
      it(`${how}: its user is signed out, and can sign in again`, async () => {
        const app = lastStep()
        const browser = await new Browser().signedIn(app)
        const { id } = browser
        const record = (await db.raw(id)) as string
        await db.client.set(db.sessionKey(id), damage(record), { PX: HOUR })
        expect(await browser.userId(app)).to.equal(undefined)
        expect(browser.id).to.not.equal(id)
        await browser.signedIn(app)
        expect(await browser.userId(app)).to.equal('eva')
        const listed = await app.store.userSessions('eva')
        expect(listed.map(({ sessionId }) => sessionId)).to.deep.equal([browser.id])
        expect(await db.raw(id)).to.equal(null)
        expect(Object.keys(await db.index('eva'))).to.deep.equal([browser.id])
      })
    }

    it('signs in with the very request that could not load it', async () => {
      const app = lastStep()
      const browser = await new Browser().signedIn(app)
      await db.client.set(db.sessionKey(browser.id), 'k1', { PX: HOUR })
      await browser.signedIn(app)
      expect(await browser.userId(app)).to.equal('eva')
    })

    it('is reported without its id and without its content', async () => {
      const app = lastStep()
      const browser = await new Browser().signedIn(app)
      const { id } = browser
      await db.client.set(db.sessionKey(id), 'hunter2', { PX: HOUR })
      await browser.userId(app)
      expect(warnings).to.have.lengthOf(1)
      expect(JSON.stringify(warnings)).to.not.include(id).and.not.include('hunter2')
    })

    it('harms no other session', async () => {
      const app = lastStep()
      const [browser, other] = [await new Browser().signedIn(app), await new Browser().signedIn(app)]
      await db.client.set(db.sessionKey(browser.id), 'k1', { PX: HOUR })
      await browser.userId(app)
      expect(await other.userId(app)).to.equal('eva')
    })
  })

  describe('with a key service', () => {
    let isAway: boolean

    beforeEach(() => {
      isAway = false
    })

    /** A serializer that fetches its keys for each record, like `parse` with a key service in docs/recipes.md. */
    function withKeyService(): ReturnType<typeof version> {
      const keys = async () => {
        if (isAway) throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
        return encryptedSerializer([k1])
      }
      return version({
        parse: async (record) => (await keys()).parse(record),
        stringify: async (data) => (await keys()).stringify(data),
      })
    }

    it('an outage of it causes a 503, and signs no user out', async () => {
      const app = withKeyService()
      const browser = await new Browser().signedIn(app)
      isAway = true
      expect((await browser.send(app, 'get', '/')).status).to.equal(503)
      isAway = false
      expect(await browser.userId(app)).to.equal('eva')
    })

    it('a wrong record is still corrupt, and its user signs in again', async () => {
      const app = withKeyService()
      const browser = await new Browser().signedIn(app)
      await db.client.set(db.sessionKey(browser.id), 'k0.a.b.c', { PX: HOUR })
      expect(await browser.userId(app)).to.equal(undefined)
      await browser.signedIn(app)
      expect(await browser.userId(app)).to.equal('eva')
    })
  })

  it('while Redis fails nothing is destroyed: the answer is 503, and the session continues afterwards', async () => {
    const browser = await new Browser().signedIn(lastStep())
    const isLoad = ({ command }: { command: string }) => command === 'get'
    const { client } = failBefore(db.client, isLoad, new Error('Socket closed unexpectedly'))
    const app = version(encryptedSerializer([k1]), client as never)
    expect((await browser.send(app, 'get', '/')).status).to.equal(503)
    expect(await browser.userId(lastStep())).to.equal('eva')
  })
})
