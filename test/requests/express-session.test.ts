/** The store under every setting of express-session, over HTTP. */
import { expect } from 'chai'
import type { Request, Response } from 'express'
import type { SessionOptions } from 'express-session'
import request from 'supertest'
import {
  appWith,
  browser,
  cookieFor,
  type Handler,
  type Routes,
  sessionIdIn,
  sessionOf,
} from '../support/app.ts'
import { nextMillisecond } from '../support/clock.ts'
import { HOUR, MINUTE, useDatabase } from '../support/database.ts'
import { expectListed } from '../support/listed.ts'
import { fields, newSession, usedCookie } from '../support/sessions.ts'

/**
 * In ms. express-session computes `originalMaxAge` again at each touch, and loses the time that has passed in between.
 */
const DRIFT = 1000

const reply: Handler = (req, res) => res.json({ id: req.sessionID, session: req.session ?? null })
const set =
  (data: object): Handler =>
  (req, res) => {
    Object.assign(req.session, data)
    reply(req, res)
  }
/** Calls one of the session's own methods and answers afterwards. */
const then =
  (
    method: 'save' | 'destroy' | 'reload' | 'regenerate',
    before?: (req: Request) => void,
    after?: (req: Request) => void,
  ) =>
  (req: Request, res: Response) => {
    before?.(req)
    sessionOf(req)[method]((error?: Error) => {
      if (error) return res.status(500).json({ error: error.message })
      after?.(req)
      return reply(req, res)
    })
  }

const routes: Routes = {
  '/': reply,
  '/login': set({ userId: 'eva' }),
  '/cart': set({ cart: ['tea'] }),
  '/remember': (req, res) => {
    req.session.cookie.maxAge = 100 * HOUR
    reply(req, res)
  },
  '/remember-original': (req, res) => {
    req.session.cookie.originalMaxAge = 100 * HOUR
    reply(req, res)
  },
  '/unset': (req, res) => {
    Reflect.set(req, 'session', null)
    reply(req, res)
  },
  '/delete-property': (req, res) => {
    delete sessionOf(req).cart
    reply(req, res)
  },
  '/save': then('save', (req) => Object.assign(req.session, { saved: true })),
  '/save-untouched': then('save'),
  '/save-and-change': then('save', undefined, (req) => Object.assign(req.session, { afterwards: true })),
  '/destroy': then('destroy'),
  '/reload': then('reload', (req) => Object.assign(req.session, { cart: ['never saved'] })),
  '/reload-and-change': then('reload', undefined, (req) => Object.assign(req.session, { reloaded: true })),
  '/reload-and-save': then('reload', undefined, (req) => {
    Object.assign(req.session, { reloaded: true })
    req.session.save()
  }),
  '/regenerate': then('regenerate', undefined, (req) => Object.assign(req.session, { userId: 'eva' })),
  '/touch': (req, res) => {
    req.session.touch()
    reply(req, res)
  },
}

describe('express-session over HTTP', () => {
  const db = useDatabase()
  const cookieOptions = { maxAge: HOUR }

  function open(options: Partial<SessionOptions> = {}) {
    const store = db.store()
    return { store, app: appWith(store, routes, { cookie: cookieOptions, ...options }) }
  }

  /** A session in the store that was last used half an hour ago, and a request with its cookie. */
  async function halfUsed(options: Partial<SessionOptions> = {}, data: object = { userId: 'eva' }) {
    const { store, app } = open(options)
    await store.set('s1', newSession({ ...data }, usedCookie(HOUR / 2)))
    const get = (path: string) => request(app).get(path).set('Cookie', cookieFor('s1'))
    return { store, app, get, before: await db.expiry('s1') }
  }

  /**
   * Checks that the index lists the session as long as its record says. Returns the TTL, which every report must equal.
   * The cookie of a load has the expiry that this request's touch will set.
   */
  async function agreed(sessionId = 's1', userId = 'eva'): Promise<number> {
    const store = db.store()
    const expiry = await db.expiry(sessionId)
    await expectListed(db, sessionId, userId)
    const [listed] = (await store.userSessions(userId)).filter((found) => found.sessionId === sessionId)
    expect(listed?.expires.getTime()).to.equal(expiry)
    expect(listed?.data.cookie.expires).to.equal(new Date(expiry).toISOString())
    const before = Date.now()
    const { cookie } = fields(await store.get(sessionId))
    const maxAge = cookie.originalMaxAge as number
    expect(Date.parse(String(cookie.expires))).to.be.within(before + maxAge, Date.now() + maxAge)
    return expiry
  }

  it('keeps a session over requests, and each browser has its own', async () => {
    const { app, store } = open()
    const [one, two] = [browser(app), browser(app)]
    const id = sessionIdIn(await one.get('/login'))
    await one.get('/cart')
    expect((await one.get('/')).body.session)
      .to.include({ userId: 'eva' })
      .and.deep.include({ cart: ['tea'] })
    expect((await two.get('/')).body.session).to.not.have.any.keys('userId', 'cart')
    expect(await store.ids()).to.deep.equal([id])
    expect(await agreed(id)).to.be.greaterThan(Date.now())
  })

  it('gives a new id to a browser whose session is gone or whose cookie is forged', async () => {
    const { app, store } = open()
    const agent = browser(app)
    const id = sessionIdIn(await agent.get('/login'))
    await store.destroy(id as string)
    expect((await agent.get('/')).body.id).to.not.equal(id)
    await store.set('s1', newSession({ userId: 'eva' }))
    const forged = await request(app).get('/').set('Cookie', 'connect.sid=s%3As1.forged')
    expect(forged.body.session).to.not.have.property('userId')
  })

  it('a deleted property is gone', async () => {
    const agent = browser(open().app)
    await agent.get('/cart')
    await agent.get('/delete-property')
    expect((await agent.get('/')).body.session).to.not.have.property('cart')
  })

  describe('saveUninitialized', () => {
    it('false: a session without data is not stored, and sets no cookie', async () => {
      const { app } = open({ saveUninitialized: false })
      expect(sessionIdIn(await request(app).get('/'))).to.equal(undefined)
      expect(await db.keys()).to.deep.equal([])
    })

    it('true: it is stored, without an index entry, and becomes the user’s at sign-in', async () => {
      const { app } = open({ saveUninitialized: true })
      const agent = browser(app)
      const id = sessionIdIn(await agent.get('/')) as string
      expect(await db.keys()).to.deep.equal([db.sessionKey(id)])
      await agent.get('/login')
      await agreed(id)
    })
  })

  for (const resave of [true, false]) {
    describe(`resave: ${resave}`, () => {
      it('Guarantee 6, true expiry: a request that changes nothing moves every expiry', async () => {
        const { get, before } = await halfUsed({ resave })
        await get('/')
        expect(await agreed()).to.be.greaterThan(before)
      })

      it('Guarantee 6, true expiry: so does one that changes data', async () => {
        const { get, before } = await halfUsed({ resave })
        await get('/cart')
        expect(await agreed()).to.be.greaterThan(before)
        expect(await db.record('s1')).to.deep.include({ userId: 'eva', cart: ['tea'] })
      })

      it('Guarantee 2, final: a request that ends after its session was destroyed does not bring it back', async () => {
        const store = db.store()
        const destroyed =
          (change: object): Handler =>
          async (req, res) => {
            await db.store().destroyUser('eva')
            Object.assign(req.session, change)
            reply(req, res)
          }
        const app = appWith(
          store,
          { '/': destroyed({}), '/cart': destroyed({ cart: 1 }) },
          { resave, cookie: cookieOptions },
        )
        for (const path of ['/', '/cart']) {
          await store.set('s1', newSession({ userId: 'eva' }))
          const response = await request(app).get(path).set('Cookie', cookieFor('s1'))
          expect(response.status).to.equal(200)
          expect(await db.keys()).to.deep.equal([])
        }
      })

      it('Guarantee 5, nothing lost: a request keeps the changes of an update that ran at the same time', async () => {
        const store = db.store()
        const whileRunning: Handler = async (req, res) => {
          await db.store().updateUser('eva', { role: 'user' } as never)
          Object.assign(req.session, { cart: ['tea'] })
          reply(req, res)
        }
        const app = appWith(store, { '/': whileRunning }, { resave, cookie: cookieOptions })
        await store.set('s1', newSession({ userId: 'eva', role: 'admin' }))
        await request(app).get('/').set('Cookie', cookieFor('s1'))
        expect(await db.record('s1')).to.deep.include({ role: 'user', cart: ['tea'] })
      })

      it('Guarantee 2, final: a session that the request destroyed stays gone', async () => {
        const { get } = await halfUsed({ resave })
        expect((await get('/destroy')).status).to.equal(200)
        expect(await db.keys()).to.deep.equal([])
      })
    })
  }

  for (const rolling of [true, false]) {
    it(`rolling: ${rolling}: the browser is ${rolling ? '' : 'not '}told the expiry that Redis has`, async () => {
      const { get } = await halfUsed({ rolling })
      const [header] = ((await get('/')).headers['set-cookie'] as unknown as string[] | undefined) ?? []
      const expiry = await agreed()
      if (!rolling) return expect(header).to.equal(undefined)
      const told = Date.parse(/Expires=([^;]+)/.exec(header as string)?.[1] as string)
      return expect(told).to.equal(Math.floor(expiry / 1000) * 1000)
    })
  }

  it('unset: destroy ends the session with its index entry', async () => {
    const { get } = await halfUsed({ unset: 'destroy' })
    await get('/unset')
    expect(await db.keys()).to.deep.equal([])
  })

  it('unset: keep leaves it as it was', async () => {
    const { get } = await halfUsed({ unset: 'keep' })
    const before = await db.dump()
    await get('/unset')
    expect(await db.dump()).to.deep.equal(before)
  })

  it('cookie without maxAge: the session lives ttl seconds from its last use', async () => {
    const store = db.store({ ttl: 600 })
    const agent = browser(appWith(store, routes))
    const started = Date.now()
    const response = await agent.get('/login')
    const id = sessionIdIn(response) as string
    expect(response.headers['set-cookie']?.[0]).to.not.include('Expires')
    expect(await db.expiry(id)).to.be.within(started + 10 * MINUTE, Date.now() + 10 * MINUTE)
    await db.client.pExpireAt(db.sessionKey(id), Date.now() + MINUTE)
    const touched = Date.now()
    // A process that has not touched the session lately.
    const other = appWith(db.store({ ttl: 600 }), routes)
    await request(other).get('/').set('Cookie', cookieFor(id))
    const expiry = await db.expiry(id)
    expect(expiry).to.be.within(touched + 10 * MINUTE, Date.now() + 10 * MINUTE)
    expect(await db.index('eva')).to.deep.equal({ [id]: await expectListed(db, id, 'eva') })
    const [listed] = await store.userSessions('eva')
    expect(listed?.expires.getTime()).to.equal(expiry)
    expect(listed).to.not.have.property('lastActive')
  })

  it('cookie.secure auto: the session remembers how it was made, and is kept over HTTP and HTTPS', async () => {
    const { app } = open({ cookie: { secure: 'auto', maxAge: HOUR } })
    for (const [protocol, secure] of [
      ['http', false],
      ['https', true],
    ] as const) {
      const response = await request(app).get('/login').set('X-Forwarded-Proto', protocol)
      const id = sessionIdIn(response) as string
      expect(response.headers['set-cookie']?.[0]?.includes('Secure')).to.equal(secure)
      expect((await db.record(id)).cookie.secure).to.equal(secure)
      const again = await request(app)
        .get('/')
        .set('X-Forwarded-Proto', protocol)
        .set('Cookie', cookieFor(id))
      expect(again.body.session).to.include({ userId: 'eva' })
      expect((await db.record(id)).cookie.secure).to.equal(secure)
    }
  })

  it('genid: ids of the app’s own making', async () => {
    let n = 0
    const { app, store } = open({ genid: () => `own id/${++n}:*` })
    const agent = browser(app)
    await agent.get('/login')
    expect((await agent.get('/')).body).to.deep.include({ id: 'own id/1:*' })
    expect((await store.userSessions('eva')).map(({ sessionId }) => sessionId)).to.deep.equal(['own id/1:*'])
  })

  describe('regenerate', () => {
    it('Guarantee 2, final: ends the old session and begins one with a new id', async () => {
      const { get, store } = await halfUsed()
      const response = await get('/regenerate')
      const id = sessionIdIn(response) as string
      expect(id).to.be.a('string').and.not.equal('s1')
      expect(await store.ids()).to.deep.equal([id])
      expect(Object.keys(await db.index('eva'))).to.deep.equal([id])
      expect((await get('/')).body.session).to.not.have.property('userId')
    })

    it('works without a session before', async () => {
      const { app, store } = open()
      const id = sessionIdIn(await request(app).get('/regenerate'))
      expect(await store.ids()).to.deep.equal([id])
    })
  })

  describe('reload', () => {
    it('discards unsaved changes', async () => {
      const { get } = await halfUsed({}, { userId: 'eva', cart: ['tea'] })
      expect((await get('/reload')).body.session).to.deep.include({ cart: ['tea'] })
      expect(await db.record('s1')).to.deep.include({ cart: ['tea'] })
    })

    it('a reloaded session is saved at the end of the request, or by hand', async () => {
      for (const path of ['/reload-and-change', '/reload-and-save']) {
        const { get, before } = await halfUsed()
        await get(path)
        expect(await db.record('s1')).to.include({ userId: 'eva', reloaded: true })
        expect(await agreed()).to.be.greaterThan(before)
      }
    })

    it('Guarantee 2, final: fails if the session was destroyed since, and does not bring it back', async () => {
      const store = db.store()
      const reload = then('reload')
      const app = appWith(store, {
        '/': async (req, res) => {
          await store.destroyUser('eva')
          reload(req, res)
        },
      })
      await store.set('s1', newSession({ userId: 'eva' }))
      const response = await request(app).get('/').set('Cookie', cookieFor('s1'))
      expect(response.body).to.deep.equal({ error: 'failed to load session' })
      expect(await db.keys()).to.deep.equal([])
    })

    it('Guarantee 2, final: a session that was destroyed after a reload does not come back either', async () => {
      const store = db.store()
      const app = appWith(store, {
        '/': (req, res) => {
          req.session.reload(async () => {
            await store.destroyUser('eva')
            Object.assign(req.session, { cart: ['tea'] })
            reply(req, res)
          })
        },
      })
      await store.set('s1', newSession({ userId: 'eva' }))
      await request(app).get('/').set('Cookie', cookieFor('s1'))
      expect(await db.keys()).to.deep.equal([])
    })
  })

  describe('explicit save', () => {
    it('stores the session before the end of the request', async () => {
      const store = db.store()
      const app = appWith(store, {
        '/': (req, res) => {
          Object.assign(req.session, { userId: 'eva' })
          req.session.save(async () => res.json(await db.record(req.sessionID)))
        },
      })
      expect((await request(app).get('/')).body).to.include({ userId: 'eva' })
      expect(await store.userSessions('eva')).to.have.lengthOf(1)
    })

    it('without a callback is carried out', async () => {
      const store = db.store()
      const app = appWith(store, {
        '/': (req, res) => {
          Object.assign(req.session, { userId: 'eva' })
          req.session.save()
          reply(req, res)
        },
      })
      const agent = browser(app)
      await agent.get('/')
      expect((await agent.get('/')).body.session).to.include({ userId: 'eva' })
    })

    it('Guarantee 6, true expiry: before express-session has touched the session, it is a use of the session', async () => {
      const store = db.store()
      let expiry = 0
      const app = appWith(
        store,
        {
          '/': (req, res) => {
            Object.assign(req.session, { saved: true })
            req.session.save(async () => {
              expiry = await agreed()
              reply(req, res)
            })
          },
        },
        { cookie: cookieOptions },
      )
      await store.set('s1', newSession({ userId: 'eva' }, usedCookie(HOUR / 2)))
      const started = Date.now()
      await request(app).get('/').set('Cookie', cookieFor('s1'))
      expect(expiry).to.be.within(started + HOUR, Date.now() + HOUR)
      expect(await agreed()).to.be.within(expiry, Date.now() + HOUR)
    })

    it('followed by a change: both are kept', async () => {
      const { get } = await halfUsed()
      await get('/save')
      await get('/save-and-change')
      expect(await db.record('s1')).to.include({ userId: 'eva', saved: true, afterwards: true })
      await agreed()
    })

    it('of a new session, twice in a request, with a sign-out between: it stays signed out', async () => {
      const store = db.store()
      const app = appWith(store, {
        '/': (req, res) => {
          Object.assign(req.session, { userId: 'eva' })
          req.session.save(async () => {
            await store.destroyUser('eva')
            Object.assign(req.session, { cart: ['tea'] })
            req.session.save(() => reply(req, res))
          })
        },
      })
      await request(app).get('/')
      expect(await db.keys()).to.deep.equal([])
    })

    it('reports an error of the store to its callback', async () => {
      const { app } = open({ genid: () => 's1' })
      await db.client.lPush(db.sessionKey('s1'), 'not a session')
      const response = await request(app).get('/save')
      expect(response.status).to.equal(500)
      expect(response.body.error).to.include(db.sessionKey('s1'))
    })
  })

  describe('remember me', () => {
    for (const path of ['/remember', '/remember-original']) {
      for (const resave of [true, false]) {
        it(`Guarantee 6, true expiry: ${path} lasts for later requests (resave ${resave})`, async () => {
          const { get, before } = await halfUsed({ resave })
          const started = Date.now()
          await get(path)
          expect(await agreed()).to.be.within(started + 100 * HOUR - DRIFT, Date.now() + 100 * HOUR)
          expect((await db.record('s1')).cookie.originalMaxAge).to.be.closeTo(100 * HOUR, DRIFT)
          for (const next of ['/', '/cart', '/save']) {
            const at = Date.now()
            await get(next)
            expect(await agreed()).to.be.within(at + 100 * HOUR - DRIFT, Date.now() + 100 * HOUR)
            expect((await db.record('s1')).cookie.originalMaxAge).to.be.closeTo(100 * HOUR, DRIFT)
          }
          const [listed] = await db.store().userSessions('eva')
          expect(listed?.lastActive?.getTime()).to.be.within(started - DRIFT, Date.now() + DRIFT)
          expect(before).to.be.lessThan(started + HOUR)
        })
      }
    }

    it('a session remembered until the browser closes lives by ttl', async () => {
      const store = db.store({ ttl: 60 })
      const app = appWith(
        store,
        {
          '/': (req, res) => {
            req.session.cookie.expires = null
            reply(req, res)
          },
        },
        { cookie: cookieOptions },
      )
      await store.set('s1', newSession({ userId: 'eva' }))
      const started = Date.now()
      await request(app).get('/').set('Cookie', cookieFor('s1'))
      expect(await db.expiry('s1')).to.be.within(started + MINUTE, Date.now() + MINUTE)
      expect(await db.index('eva')).to.deep.equal({ s1: await expectListed(db, 's1', 'eva') })
      expect((await db.record('s1')).cookie).to.include({ originalMaxAge: null, expires: null })
    })

    it('a cookie that ends now ends the session', async () => {
      const { app, store } = open()
      await store.set('s1', newSession({ userId: 'eva' }))
      const ending = appWith(store, {
        '/': (req, res) => {
          req.session.cookie.maxAge = -1
          reply(req, res)
        },
      })
      await request(ending).get('/').set('Cookie', cookieFor('s1'))
      expect(await db.keys()).to.deep.equal([])
      expect((await request(app).get('/').set('Cookie', cookieFor('s1'))).body.id).to.not.equal('s1')
    })
  })

  it('disableTouch: a request that changes nothing moves nothing, one that changes data does', async () => {
    const store = db.store({ disableTouch: true })
    const app = appWith(store, routes, { cookie: cookieOptions })
    await store.set('s1', newSession({ userId: 'eva' }, usedCookie(HOUR / 2)))
    const before = await db.dump()
    await request(app).get('/').set('Cookie', cookieFor('s1'))
    expect(await db.dump()).to.deep.equal(before)
    await request(app).get('/cart').set('Cookie', cookieFor('s1'))
    expect(await agreed()).to.be.greaterThan(Date.now() + HOUR / 2)
  })

  it('Guarantee 6, true expiry: a touch moves the TTL, and changes nothing of record and index', async () => {
    const { app } = open({ genid: () => 's1' })
    await request(app).get('/login')
    const [record, index, before] = [await db.raw('s1'), await db.index('eva'), await db.expiry('s1')]
    const other = appWith(db.store({ touchInterval: 0 }), routes, { cookie: cookieOptions })
    await nextMillisecond()
    await request(other).get('/').set('Cookie', cookieFor('s1'))
    expect(await db.raw('s1')).to.equal(record)
    expect(await db.index('eva')).to.deep.equal(index)
    expect(await db.expiry('s1')).to.be.within(before + 1, Date.now() + HOUR)
    await agreed()
  })

  it('Guarantee 6, true expiry: one that the index does not cover changes the cookie, and nothing else', async () => {
    const { get } = await halfUsed({}, { userId: 'eva', deep: { a: [1, { b: null }] }, text: 'ß\u2028' })
    const { cookie: before, ...data } = await db.record('s1')
    const started = Date.now()
    await get('/')
    const { cookie: after, ...same } = await db.record('s1')
    expect(JSON.stringify(same)).to.equal(JSON.stringify(data))
    const { expires, index, ...others } = after
    const { expires: _, index: __, ...othersBefore } = before
    expect(others).to.deep.equal(othersBefore)
    expect(Date.parse(expires as string)).to.be.within(started + HOUR, Date.now() + HOUR)
    expect(index).to.deep.equal({ until: await expectListed(db, 's1', 'eva') })
    await agreed()
  })

  it('Guarantee 8: an error of the store reaches the app’s error handler', async () => {
    const { app } = open()
    await db.client.set(db.sessionKey('s1'), 'corrupt')
    const response = await request(app).get('/').set('Cookie', cookieFor('s1'))
    expect(response.status).to.equal(500)
    expect(response.body.error).to.include(db.sessionKey('s1'))
  })

  it('requests of one session at the same time lose nothing', async () => {
    const store = db.store()
    const app = appWith(
      store,
      {
        '/add/:name': (req, res) => {
          Object.assign(req.session, { [String(req.params.name)]: true })
          reply(req, res)
        },
      },
      { cookie: cookieOptions },
    )
    await store.set('s1', newSession({ userId: 'eva' }))
    const names = Array.from({ length: 12 }, (_, n) => `n${n}`)
    await Promise.all(names.map((name) => request(app).get(`/add/${name}`).set('Cookie', cookieFor('s1'))))
    expect(fields(await store.get('s1'))).to.include.keys(names)
    await agreed()
  })
})
