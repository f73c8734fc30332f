/**
 * Data that express-session's `Session` cannot hold, or that Node cannot compare. It still survives saves, touches and
 * merges.
 */
import { expect } from 'chai'
import { createSession, readSession, updateSession } from '../../src/index.ts'
import { appWith, browser, cookieFor, sessionIdIn, sessionOf } from '../support/app.ts'
import { HOUR, inMs, useDatabase } from '../support/database.ts'
import { inflate, load } from '../support/scene.ts'
import { type Fields, fields, newSession } from '../support/sessions.ts'

/** Names of `Session`'s own and inherited properties and methods. */
const unheld: Fields = {
  id: 'an id of the app',
  req: { method: 'GET' },
  touch: 1,
  resetMaxAge: [2],
  save: { draft: true },
  reload: 'page',
  destroy: null,
  regenerate: false,
  toString: 'text',
  constructor: 'Audi',
  hasOwnProperty: 7,
}

describe('Properties that express-session’s Session calls its own', () => {
  const db = useDatabase()

  const dataIn = async () => {
    const { cookie: _, ...data } = await db.record('s1')
    return data
  }
  const written = { userId: 'eva', ...unheld }

  for (const maker of ['set', 'createSession', 'connect-redis'] as const) {
    describe(`of a session that ${maker} made`, () => {
      beforeEach(async () => {
        if (maker === 'set') await db.store().set('s1', newSession({ ...written }))
        if (maker === 'createSession') {
          await createSession({
            ...db.options,
            sessionId: 's1',
            data: { ...written, userId: 'eva', expires: inMs(HOUR) },
          })
        }
        if (maker === 'connect-redis') {
          await db.client.set(db.sessionKey('s1'), JSON.stringify(newSession({ ...written })), { PX: HOUR })
        }
      })

      it('survive a save', async () => {
        const store = db.store()
        const session = await load(store, 's1')
        session.cart = ['tea']
        await store.set('s1', session)
        expect(await dataIn()).to.deep.include({ ...written, cart: ['tea'] })
        session.cart = ['tea', 'milk']
        await store.set('s1', session)
        expect(await dataIn()).to.deep.include({ ...written, cart: ['tea', 'milk'] })
      })

      it('survive a merge, and keep the changes of an update', async () => {
        const store = db.store()
        const [one, two] = [await load(store, 's1'), await load(store, 's1')]
        await store.set('s1', Object.assign(one, { a: 1 }))
        await updateSession({ ...db.options, sessionId: 's1', data: { save: { draft: false } } })
        await store.set('s1', Object.assign(two, { b: 2 }))
        await store.set('s1', Object.assign(one, { c: 3 }))
        expect(await dataIn()).to.deep.include({ ...written, save: { draft: false }, a: 1, b: 2, c: 3 })
      })

      it('survive a touch that saves the cookie', async () => {
        const store = db.store()
        const session = await load(store, 's1')
        session.cookie.maxAge = 9 * HOUR
        await store.touch('s1', session)
        expect(await dataIn()).to.deep.include(written)
      })

      it('survive requests over HTTP, overlapping ones and a reload', async () => {
        const app = appWith(
          db.store(),
          {
            '/add/:name': (req, res) => {
              sessionOf(req)[String(req.params.name)] = true
              res.send('added')
            },
            '/reload': (req, res) =>
              req.session.reload(() => {
                sessionOf(req).reloaded = true
                res.send('reloaded')
              }),
          },
          { cookie: { maxAge: HOUR } },
        )
        const device = browser(app).set('Cookie', cookieFor('s1'))
        await Promise.all(['a', 'b', 'c'].map((name) => device.get(`/add/${name}`).expect('added')))
        await device.get('/reload').expect('reloaded')
        expect(await dataIn()).to.deep.include({ ...written, a: true, b: true, c: true, reloaded: true })
      })
    })
  }

  it('count as no change of a request: it saves nothing, and sets no cookie', async () => {
    const store = db.store()
    await store.set('s1', newSession({ ...written }))
    const record = await db.raw('s1')
    const saved: string[] = []
    const set = store.set.bind(store)
    store.set = (id, ...rest) => {
      saved.push(id)
      return set(id, ...rest)
    }
    const device = browser(appWith(store, { '/': (_req, res) => res.send('seen') }))
    for (let n = 0; n < 2; n++) {
      const answer = await device.get('/').set('Cookie', cookieFor('s1'))
      expect(answer.headers).to.not.have.property('set-cookie')
    }
    expect(saved).to.deep.equal([])
    expect(await db.raw('s1')).to.equal(record)
  })

  it('stay in the data that a Session was made from', async () => {
    const store = db.store()
    await store.set('s1', newSession({ ...written }))
    const data = fields(await store.get('s1'))
    inflate(store, 's1', data)
    expect(data).to.include({ id: unheld.id, reload: unheld.reload })
    await store.set('s1', Object.assign(data, { cart: ['tea'] }))
    expect(await dataIn()).to.deep.equal({ ...written, cart: ['tea'] })
  })

  it('can be changed and deleted by a save of plain data', async () => {
    const store = db.store()
    await store.set('s1', newSession({ ...written }))
    const plain = fields(await store.get('s1'))
    plain.save = 'changed'
    Reflect.deleteProperty(plain, 'touch')
    await store.set('s1', plain)
    const { touch: _, ...rest } = written as Fields
    expect(await dataIn()).to.deep.equal({ ...rest, save: 'changed' })
  })

  it('do not come back after their deletion with the next save of an older session object', async () => {
    const store = db.store()
    await store.set('s1', newSession({ ...written }))
    const late = await load(store, 's1')
    const plain = fields(await store.get('s1'))
    Reflect.deleteProperty(plain, 'touch')
    await store.set('s1', plain)
    await store.set('s1', Object.assign(late, { cart: ['tea'] }))
    expect(await dataIn())
      .to.deep.include({ cart: ['tea'] })
      .and.not.have.property('touch')
  })

  it('named __proto__ is a property like any other', async () => {
    const record = `{"userId":"eva","__proto__":{"admin":true},"cookie":${JSON.stringify(newSession().cookie)}}`
    await db.client.set(db.sessionKey('s1'), record, { PX: HOUR })
    const store = db.store()
    const session = await load(store, 's1')
    expect(session.admin).to.equal(undefined)
    await store.set('s1', Object.assign(session, { cart: ['tea'] }))
    expect(await db.raw('s1'))
      .to.include('"__proto__":{"admin":true}')
      .and.include('"cart":["tea"]')
    expect(fields(await store.get('s1')).admin).to.equal(undefined)
  })

  it('and a cookie in the session’s own data is the cookie, for every writer', async () => {
    const store = db.store()
    await store.set('s1', newSession({ userId: 'eva', Cookie: 1, cookies: { theme: 'dark' } }))
    const session = await load(store, 's1')
    await store.set('s1', Object.assign(session, { a: 1 }))
    expect(await dataIn()).to.deep.equal({ userId: 'eva', Cookie: 1, cookies: { theme: 'dark' }, a: 1 })
  })
})

describe('Data that is nested deep', () => {
  const db = useDatabase()

  function nested(depth: number, end: unknown, kind: 'objects' | 'arrays'): unknown {
    let data = end
    for (let n = 0; n < depth; n++) data = kind === 'objects' ? { deep: data } : [data]
    return data
  }

  for (const kind of ['objects', 'arrays'] as const) {
    for (const depth of [1000, 2000, 3000]) {
      it(`${depth} ${kind}: saves, merges, updates and touches`, async () => {
        const store = db.store()
        await store.set('s1', newSession({ userId: 'eva', tree: nested(depth, 1, kind) }))
        const [one, two, three] = [await load(store, 's1'), await load(store, 's1'), await load(store, 's1')]
        await store.set('s1', Object.assign(one, { a: 1 }))
        await store.set('s1', Object.assign(two, { b: 2, tree: nested(depth, 2, kind) }))
        await store.touch('s1', three)
        await store.updateUser('eva', { c: 3 } as never)
        await store.set('s1', Object.assign(three, { d: 4 }))
        const record = await db.raw('s1')
        const now = await readSession<Fields>({ ...db.options, sessionId: 's1' })
        expect(now).to.include({ a: 1, b: 2, c: 3, d: 4 })
        // Chai cannot compare it either.
        expect(record).to.include(`"tree":${JSON.stringify(nested(depth, 2, kind))}`)
      })
    }
  }

  it('deeper than JSON allows is a TypeError, and nothing is written', async () => {
    const error = await db
      .store()
      .set('s1', newSession({ userId: 'eva', tree: nested(100_000, 1, 'objects') }))
      .catch((reason) => reason)
    expect(error).to.be.instanceOf(TypeError)
    expect(error.message).to.equal('session data must be serializable, got an object that is nested too deep')
    expect(await db.keys()).to.deep.equal([])
  })

  it('over HTTP, two requests at once', async () => {
    const app = appWith(
      db.store(),
      {
        '/in': (req, res) => {
          Object.assign(req.session, { userId: 'eva', tree: nested(2500, 'end', 'objects') })
          res.send('in')
        },
        '/add/:name': (req, res) => {
          sessionOf(req)[String(req.params.name)] = true
          res.send('added')
        },
      },
      { cookie: { maxAge: HOUR } },
    )
    const device = browser(app)
    const id = sessionIdIn(await device.get('/in')) as string
    await Promise.all(['a', 'b'].map((name) => device.get(`/add/${name}`).expect(200)))
    expect(await db.record(id)).to.include({ a: true, b: true })
  })
})

describe('The `id` that `all` and `sessions` show', () => {
  const db = useDatabase()

  for (const [whose, own] of Object.entries({
    'of the session': undefined,
    'and another of the app': 'account-7',
  })) {
    it(`is no part of the data: ${whose}`, async () => {
      const store = db.store()
      await store.set('s1', newSession({ userId: 'eva', ...(own && { id: own }) }))
      for await (const session of store.sessions()) {
        expect(session.id).to.equal('s1')
        await store.set(session.id, Object.assign(session, { theme: 'dark' }))
      }
      expect(await db.record('s1')).to.include({ theme: 'dark' })
      expect((await db.record('s1')).id).to.equal(own)
      const [shown] = await store.all()
      const session = store.createSession({ sessionID: 's1', sessionStore: store } as never, shown as never)
      await store.set('s1', Object.assign(session, { theme: 'light' }))
      expect(await db.record('s1')).to.include({ theme: 'light' })
      expect((await db.record('s1')).id).to.equal(own)
    })
  }

  it('may be changed by the app, and is part of the data then', async () => {
    const store = db.store()
    await store.set('s1', newSession({ userId: 'eva' }))
    const [shown] = await store.all()
    await store.set('s1', Object.assign(shown as object, { id: 'account-8' }) as never)
    expect((await db.record('s1')).id).to.equal('account-8')
  })
})
