/** The functions and the store share their records. Each can read, list and change the sessions of the other. */
import { expect } from 'chai'
import request from 'supertest'
import {
  createSession,
  deleteSession,
  deleteUserSessions,
  getUserSessions,
  readSession,
  SessionUserError,
  updateSession,
  updateUserSessions,
} from '../../src/index.ts'
import { appWith, cookieFor, sessionOf } from '../support/app.ts'
import { HOUR, inMs, MINUTE, rejection, SECOND, useDatabase } from '../support/database.ts'
import { expectListed } from '../support/listed.ts'
import { cookie, fields, newSession, usedCookie } from '../support/sessions.ts'

describe('A session made by createSession', () => {
  const db = useDatabase()
  const expires = inMs(3 * HOUR + 7)
  const data = { userId: 'eva', expires, role: 'user' }
  const change = { '/': 'nothing', '/cart': 'data', '/save': 'saves', '/remember': 'remember' } as const

  const app = (resave: boolean) =>
    appWith(
      db.store(),
      {
        '/': (req, res) => res.json(req.session),
        '/cart': (req, res) => {
          sessionOf(req).cart = ['tea']
          res.json(req.session)
        },
        '/save': (req, res) => req.session.save(() => res.json(req.session)),
        '/remember': (req, res) => {
          req.session.cookie.maxAge = 100 * HOUR
          res.json(req.session)
        },
      },
      { resave, cookie: { maxAge: HOUR } },
    )
  const get = (path: keyof typeof change, resave = false) =>
    request(app(resave)).get(path).set('Cookie', cookieFor('s1'))

  beforeEach(() => createSession({ ...db.options, sessionId: 's1', data }))

  it('loads in the store as it was made, with a cookie without maxAge', async () => {
    const loaded = fields(await db.store().get('s1'))
    expect(loaded).to.deep.include(data)
    expect(loaded.cookie.originalMaxAge).to.equal(null)
    expect(loaded.cookie.expires).to.equal(null)
    expect((await get('/')).body).to.deep.include(data)
  })

  for (const resave of [true, false]) {
    for (const path of ['/', '/cart', '/save'] as const) {
      it(`Guarantee 6, true expiry: its own expires rules after ${path}, resave ${resave}`, async () => {
        await get(path, resave)
        await get('/', resave)
        expect(await db.expiry('s1')).to.equal(Date.parse(expires))
        expect(await db.index('eva')).to.deep.equal({ s1: Date.parse(expires) })
        expect(await db.indexExpiry('eva')).to.equal(Date.parse(expires))
        const read = await readSession({ ...db.options, sessionId: 's1' })
        expect(read).to.include(data)
        if (path === '/cart') expect(read).to.deep.include({ cart: ['tea'] })
      })
    }
  }

  it('ends by the maxAge that a request sets in its cookie', async () => {
    const started = Date.now()
    await get('/remember')
    const expiry = await db.expiry('s1')
    expect(expiry).to.be.within(started + 100 * HOUR, Date.now() + 100 * HOUR)
    expect(await db.index('eva')).to.deep.equal({ s1: await expectListed(db, 's1', 'eva') })
    const read = await readSession({ ...db.options, sessionId: 's1' })
    expect(read?.expires).to.equal(new Date(expiry).toISOString())
  })

  it('ends by a cookie that was set on its loaded data, and ignores a cookie without an expiry', async () => {
    const store = db.store()
    const loaded = fields(await store.get('s1'))
    await store.set('s1', Object.assign(loaded, { seen: true }))
    expect(await db.record('s1')).to.deep.equal({ ...data, seen: true })
    loaded.cookie = cookie(HOUR)
    const started = Date.now()
    await store.set('s1', loaded)
    expect((await db.record('s1')).cookie).to.include({ originalMaxAge: HOUR })
    expect(await db.expiry('s1')).to.be.within(started + HOUR - SECOND, Date.now() + HOUR)
    await expectListed(db, 's1', 'eva')
  })

  it('is listed by both, under the same expiry', async () => {
    const [listed] = await db.store().userSessions('eva')
    expect(listed).to.deep.include({ sessionId: 's1', expires: new Date(expires) })
    expect(listed).to.not.have.property('lastActive')
    expect(listed?.data).to.deep.include(data)
    const [same] = await getUserSessions({ ...db.options, userId: 'eva' })
    expect(same).to.deep.equal({ sessionId: 's1', data })
  })

  it('Guarantee 2, final: is signed out by the store', async () => {
    const store = db.store()
    const loaded = fields(await store.get('s1'))
    expect(await store.destroyUser('eva')).to.equal(1)
    await store.set('s1', loaded)
    expect(await db.keys()).to.deep.equal([])
  })

  it('Guarantee 5, nothing lost: a request in flight keeps the changes of updateSession', async () => {
    const store = db.store()
    const loaded = fields(await store.get('s1'))
    await updateSession({ ...db.options, sessionId: 's1', data: { role: 'none' } })
    loaded.cart = ['tea']
    await store.set('s1', loaded)
    expect(await db.record('s1')).to.deep.include({ role: 'none', cart: ['tea'] })
    expect(await db.expiry('s1')).to.equal(Date.parse(expires))
  })
})

describe('A cookie in data for createSession', () => {
  const db = useDatabase()

  it('Guarantee 6, true expiry: has the same expiry as the data', async () => {
    const expires = inMs(HOUR)
    const stale = { originalMaxAge: HOUR, expires: inMs(5 * HOUR), httpOnly: true, path: '/' }
    await createSession({ ...db.options, sessionId: 's1', data: { userId: 'eva', expires, cookie: stale } })
    const until = Date.parse(expires)
    expect(await db.record('s1')).to.deep.equal({
      userId: 'eva',
      expires,
      cookie: { ...stale, expires, index: { until } },
    })
    expect(await db.expiry('s1')).to.equal(until)
    expect(await db.index('eva')).to.deep.equal({ s1: until })
    expect(await readSession({ ...db.options, sessionId: 's1' })).to.deep.equal({
      userId: 'eva',
      expires,
      cookie: { ...stale, expires },
    })
    expect((await db.store().get('s1'))?.cookie.expires).to.equal(expires)
  })
})

describe('A session of the store, through the functions', () => {
  const db = useDatabase()
  const byAccount = { userId: (data: object) => (data as { account?: string }).account }

  const shapes = {
    'with userId': { options: {}, data: { userId: 'eva' } },
    'of Passport': { options: {}, data: { passport: { user: 'eva' } } },
    'of a custom userId option': { options: byAccount, data: { account: 'eva' } },
  }

  it('is read with a userId that is a string, if it was saved as a number', async () => {
    await db.store().set('s1', newSession({ userId: 7 }))
    await db.store().set('s2', newSession({ cart: [] }))
    await db.store(byAccount).set('s3', newSession({ account: 'eva', userId: 7 }))
    const read = (sessionId: string) => readSession({ ...db.options, sessionId })
    expect(await read('s1')).to.include({ userId: '7' })
    expect(await read('s2')).to.not.have.property('userId')
    expect(await read('s3')).to.include({ userId: 7 })
    await updateSession({ ...db.options, sessionId: 's1', data: { ...(await read('s1')), theme: 'dark' } })
    expect(await db.index('7')).to.have.keys('s1')
  })

  for (const [shape, { options, data }] of Object.entries(shapes)) {
    describe(shape, () => {
      const create = async (sessionCookie = usedCookie(MINUTE), id = 's1') => {
        const store = db.store(options)
        await store.set(id, newSession({ ...data, role: 'user' }, sessionCookie))
        return store
      }

      it('is read with its true expires, which the record does not have', async () => {
        await create()
        const expires = new Date(await db.expiry('s1')).toISOString()
        expect(await readSession({ ...db.options, sessionId: 's1' })).to.deep.include({ ...data, expires })
        expect(await db.record('s1')).to.not.have.property('expires')
      })

      it('is read with the userId by which an update takes it back', async () => {
        await create()
        const read = await readSession({ ...db.options, sessionId: 's1' })
        expect(read?.userId).to.equal('eva')
        await updateSession({ ...db.options, sessionId: 's1', data: { ...read, theme: 'dark' } })
        expect((await getUserSessions({ ...db.options, userId: 'eva' })).length).to.equal(1)
        expect(await db.record('s1')).to.include({ theme: 'dark' })
      })

      it('is listed with expires and userId', async () => {
        await create()
        await create(usedCookie(2 * MINUTE), 's2')
        const expires = async (id: string) => new Date(await db.expiry(id)).toISOString()
        const listed = await getUserSessions({ ...db.options, userId: 'eva' })
        expect(listed.map(({ sessionId }) => sessionId)).to.deep.equal(['s2', 's1'])
        expect(listed[0]?.data).to.deep.include({ ...data, userId: 'eva', expires: await expires('s2') })
        expect(listed[1]?.data).to.deep.include({ ...data, userId: 'eva', expires: await expires('s1') })
      })

      for (const [name, update] of Object.entries({
        updateSession: (patch: object) => updateSession({ ...db.options, sessionId: 's1', data: patch }),
        updateUserSessions: (patch: object) =>
          updateUserSessions({ ...db.options, userId: 'eva', data: patch }),
      })) {
        it(`${name} keeps its TTL, index entry and cookie`, async () => {
          await create()
          const [expiry, index, record] = [
            await db.expiry('s1'),
            await db.index('eva'),
            await db.record('s1'),
          ]
          await update({ role: 'admin' })
          expect(await db.expiry('s1')).to.equal(expiry)
          expect(await db.index('eva')).to.deep.equal(index)
          expect(await db.record('s1')).to.deep.equal({ ...record, role: 'admin' })
        })

        it(`Guarantee 6, true expiry: ${name} with a new expires moves TTL, index and the cookie of the record`, async () => {
          const store = await create()
          for (const expires of [inMs(9 * HOUR), inMs(MINUTE)]) {
            await update({ expires })
            const at = Date.parse(expires)
            expect(await db.expiry('s1')).to.equal(at)
            expect(await db.index('eva')).to.deep.equal({ s1: at })
            expect(await db.indexExpiry('eva')).to.equal(at)
            const { cookie: moved, ...rest } = await db.record('s1')
            expect(moved).to.include({ expires, originalMaxAge: HOUR })
            expect(rest).to.deep.equal({ ...data, role: 'user' })
            expect((await store.get('s1'))?.cookie.expires).to.equal(expires)
            expect((await readSession({ ...db.options, sessionId: 's1' }))?.expires).to.equal(expires)
          }
        })

        it(`Guarantee 6, true expiry: ${name} with a new expires, if the cookie has no maxAge`, async () => {
          const store = await create(cookie(null))
          const expires = inMs(9 * HOUR)
          await update({ expires })
          const at = Date.parse(expires)
          expect(await db.expiry('s1')).to.equal(at)
          expect(await db.index('eva')).to.deep.equal({ s1: at })
          expect((await db.record('s1')).cookie.expires).to.equal(null)
          await store.set('s1', fields(await store.get('s1')))
          expect(await db.expiry('s1')).to.equal(at)
        })

        it(`Guarantee 3, owned: ${name} refuses another user`, async () => {
          await create()
          const before = await db.dump()
          expect(await rejection(update({ userId: 'bob' }))).to.be.instanceOf(SessionUserError)
          expect(await db.dump()).to.deep.equal(before)
        })

        it(`${name} with a past expires ends it, with its index entry`, async () => {
          await create()
          await update({ expires: inMs(-1) })
          expect(await db.keys()).to.deep.equal([])
        })
      }

      it('deleteUserSessions deletes it', async () => {
        await create()
        await create(undefined, 's2')
        await deleteUserSessions({ ...db.options, userId: 'eva' })
        expect(await db.keys()).to.deep.equal([])
      })

      it('Guarantee 4, bounded: deleteSession deletes it with its index entry', async () => {
        await create()
        await create(usedCookie(2 * MINUTE), 's2')
        await deleteSession({ ...db.options, sessionId: 's1' })
        expect(await db.index('eva')).to.deep.equal({ s2: await expectListed(db, 's2', 'eva') })
      })

      it('createSession replaces it for its own user only', async () => {
        await create()
        const before = await db.dump()
        const expires = inMs(HOUR)
        const bobs = createSession({ ...db.options, sessionId: 's1', data: { userId: 'bob', expires } })
        expect(await rejection(bobs)).to.be.instanceOf(SessionUserError)
        expect(await db.dump()).to.deep.equal(before)
        await createSession({ ...db.options, sessionId: 's1', data: { userId: 'eva', expires } })
        expect(await db.index('eva')).to.deep.equal({ s1: Date.parse(expires) })
      })
    })
  }

  it('a new expires finds the index of a custom userId among those of many users', async () => {
    const store = db.store(byAccount)
    for (let n = 0; n < 50; n++) await store.set(`s${n}`, newSession({ account: `user${n}` }))
    const expires = inMs(9 * HOUR)
    await updateSession({ ...db.options, sessionId: 's33', data: { expires } })
    expect(await db.index('user33')).to.deep.equal({ s33: Date.parse(expires) })
  })

  it('an anonymous session is updated, and stays anonymous', async () => {
    await db.store().set('s1', newSession())
    const expires = inMs(9 * HOUR)
    await updateSession({ ...db.options, sessionId: 's1', data: { expires, note: 1 } })
    expect(await db.keys()).to.deep.equal([db.sessionKey('s1')])
    expect(await db.expiry('s1')).to.equal(Date.parse(expires))
    const claim = updateSession({ ...db.options, sessionId: 's1', data: { userId: 'eva' } })
    expect(await rejection(claim)).to.be.instanceOf(SessionUserError)
  })

  describe('Guarantee 3, owned: if the functions do not know the option userId, they', () => {
    const stores = () => db.store(byAccount)

    beforeEach(async () => {
      await stores().set('s1', newSession({ account: 'eva' }))
      await stores().set('s2', newSession({ account: 'eva', userId: 'a number of another kind' }))
      await stores().set('s3', newSession({ account: 'bob', passport: { user: 'eva' } }))
    })

    it('find, update and delete the sessions whose owner the store has recorded', async () => {
      const options = { ...db.options, userId: 'eva' }
      expect((await getUserSessions(options)).map(({ sessionId }) => sessionId)).to.have.members(['s1', 's2'])
      await updateUserSessions({ ...options, data: { role: 'guest' } })
      for (const id of ['s1', 's2']) expect(await db.record(id)).to.include({ role: 'guest', account: 'eva' })
      expect(await db.record('s3')).to.not.have.property('role')
      await deleteUserSessions(options)
      expect(await db.raw('s3')).to.not.equal(null)
      expect(await db.index('eva')).to.deep.equal({})
      expect(Object.keys(await db.index('bob'))).to.deep.equal(['s3'])
    })

    it('update one session and leave it with its user', async () => {
      const options = db.options
      for (const sessionId of ['s1', 's2', 's3']) {
        await updateSession({ ...options, sessionId, data: { note: 1, expires: inMs(2 * HOUR) } })
      }
      expect(Object.keys(await db.index('eva'))).to.have.members(['s1', 's2'])
      expect(Object.keys(await db.index('bob'))).to.deep.equal(['s3'])
      const listed = await stores().userSessions('eva')
      expect(listed.map(({ sessionId }) => sessionId)).to.have.members(['s1', 's2'])
    })

    it('refuse to give a session to another user', async () => {
      const before = await db.dump()
      for (const sessionId of ['s1', 's2', 's3']) {
        const taking = updateSession({ ...db.options, sessionId, data: { userId: 'mallory' } })
        expect(await rejection(taking)).to.have.property('code', 'SESSION_USER')
      }
      expect(await db.dump()).to.deep.equal(before)
    })

    it('delete one session with its entry', async () => {
      await deleteSession({ ...db.options, sessionId: 's3' })
      expect(await db.index('bob')).to.deep.equal({})
    })
  })
})

describe('A session of the store that was touched since its last save', () => {
  const db = useDatabase()

  it('Guarantee 6, true expiry: the functions report the end that Redis has, in the cookie too', async () => {
    const store = db.store({ touchInterval: 0 })
    await store.set('s1', newSession({ userId: 'eva' }, usedCookie(5 * MINUTE)))
    const loaded = fields(await store.get('s1'))
    await store.touch('s1', loaded)
    const expiry = await db.expiry('s1')
    expect(Date.parse((await db.record('s1')).cookie.expires as string)).to.be.below(expiry)
    const [listed] = await getUserSessions({ ...db.options, userId: 'eva' })
    for (const data of [await readSession({ ...db.options, sessionId: 's1' }), listed?.data]) {
      const { cookie: read, expires } = data as unknown as { cookie: { expires: string }; expires: string }
      expect([Date.parse(read.expires), Date.parse(expires)]).to.deep.equal([expiry, expiry])
      expect(read).to.include({ originalMaxAge: HOUR, path: '/' })
    }
  })
})
