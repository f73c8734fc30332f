/** Loads, saves and touches at their edges: turns of one object, what a touch may skip, and what a record must tell. */
import { expect } from 'chai'
import { CorruptSessionError, createSession } from '../../src/index.ts'
import { HOUR, inMs, MINUTE, rejection, SECOND, useDatabase } from '../support/database.ts'
import { failBefore, pauseAfter, pauseBefore, watch } from '../support/paused-client.ts'
import { nth, onEveryStage, theLoad, theWrite } from '../support/scene.ts'
import { cookie, fields, newSession, usedCookie } from '../support/sessions.ts'

describe('Saves of one object take turns', () => {
  const db = useDatabase()

  /** Long enough for whatever does not wait to come to its end. */
  async function meanwhile(): Promise<void> {
    for (let n = 0; n < 20; n++) await db.client.ping()
  }

  it('a third save waits for the second, though the first has ended', async () => {
    const { client, calls, reached, release } = pauseBefore(db.client, nth(2, theWrite))
    const store = db.store({ client })
    const session = fields(newSession({ userId: 'eva', n: 1 }))
    const first = store.set('s1', session)
    const second = store.set('s1', Object.assign(session, { n: 2 }))
    await first
    await reached
    const asked = calls.length
    const third = store.set('s1', Object.assign(session, { n: 3 }))
    await meanwhile()
    expect(calls).to.have.length(asked)
    release()
    await Promise.all([second, third])
    expect(await db.record('s1')).to.include({ n: 3 })
  })

  it('a touch of an object that is still being created waits for that, and moves its end', async () => {
    const [store, session] = [db.store(), newSession({ userId: 'eva' }, cookie(HOUR))]
    const creating = store.set('s1', session)
    session.cookie.expires = new Date(Date.now() + 2 * HOUR)
    await Promise.all([creating, store.touch('s1', session)])
    expect(await db.expiry('s1')).to.equal(session.cookie.expires.getTime())
  })

  it('Guarantee 2, final: destroy waits for the last of those that create the session', async () => {
    const { client, reached, release } = pauseBefore(db.client, nth(2, theWrite))
    const store = db.store({ client })
    const first = store.set('s1', newSession({ userId: 'eva' }))
    const second = store.set('s1', newSession({ userId: 'eva' }))
    await first
    await reached
    const destroyed = store.destroy('s1')
    await meanwhile()
    release()
    await Promise.all([second, destroyed])
    expect(await db.keys()).to.deep.equal([])
  })

  for (const next of ['destroy', 'another save'] as const) {
    it(`Guarantee 2, final: ${next} waits for the save that creates the session, though a later one is refused`, async () => {
      const { client, calls, reached, release } = pauseBefore(db.client, theWrite)
      const store = db.store({ client })
      const session = fields(newSession({ userId: 'eva' }))
      const creating = store.set('s1', session)
      await reached
      const refused = rejection(store.set('s1', Object.assign(session, { toJSON: () => ({}) })))
      await meanwhile()
      const asked = calls.length
      delete session.toJSON
      const waiting = next === 'destroy' ? store.destroy('s1') : store.set('s1', session)
      await meanwhile()
      expect(calls).to.have.length(asked)
      release()
      await Promise.all([creating, waiting])
      expect(await refused).to.be.instanceOf(TypeError)
      if (next === 'destroy') expect(await db.keys()).to.deep.equal([])
    })
  }

  it('destroy does not wait for an update: that comes to nothing', async () => {
    await db.store().set('s1', newSession({ userId: 'eva' }))
    const { client, reached, release } = pauseBefore(db.client, theWrite)
    const store = db.store({ client })
    const updating = store.set('s1', Object.assign(fields(await store.get('s1')), { n: 1 }) as never)
    await reached
    await store.destroy('s1')
    release()
    await updating
    expect(await db.keys()).to.deep.equal([])
  })

  it('a save that is refused does not hold up the next', async () => {
    const store = db.store()
    const session = fields(newSession({ userId: {} }))
    expect(await rejection(store.set('s1', session))).to.be.instanceOf(TypeError)
    await store.set('s1', Object.assign(session, { userId: 'eva' }))
    expect(Object.keys(await db.index('eva'))).to.deep.equal(['s1'])
  })
})

describe('A new session that has already ended', () => {
  const db = useDatabase()

  it('is not written, not even for a moment', async () => {
    const { client, calls } = watch(db.client)
    await db.store({ client }).set('s1', newSession({ userId: 'eva' }, cookie(-1)))
    expect(calls.filter(theWrite)).to.deep.equal([])
    expect(await db.keys()).to.deep.equal([])
  })
})

describe('A touch with touchInterval', () => {
  const db = useDatabase()
  const INTERVAL = 60
  const end = Math.floor(Date.now() / 1000) * 1000 + 20 * MINUTE

  async function loadedUntil(expires: number) {
    const sessionCookie = cookie(HOUR)
    sessionCookie.expires = new Date(expires)
    sessionCookie.originalMaxAge = HOUR
    await db.store().set('s1', newSession({ userId: 'eva' }, sessionCookie))
    const { client, calls } = watch(db.client)
    const store = db.store({ client, touchInterval: INTERVAL })
    const session = fields(await store.get('s1'))
    calls.length = 0
    const touch = async (to: number) => {
      session.cookie.expires = new Date(to)
      await store.touch('s1', session)
      return calls.length > 0
    }
    return { store, session, touch }
  }

  for (const [name, by, writes] of [
    ['to the same end is skipped', 0, false],
    ['by less than the interval is skipped', INTERVAL * SECOND - 1, false],
    ['by the interval is written', INTERVAL * SECOND, true],
    ['to an earlier end is written, by however little', -1, true],
  ] as const) {
    it(name, async () => {
      const { touch } = await loadedUntil(end)
      expect(await touch(end + by)).to.equal(writes)
      expect(await db.expiry('s1')).to.equal(writes ? end + by : end)
      expect(await db.index('eva')).to.deep.equal({ s1: writes ? end + by : end })
    })
  }

  it('to the same end, by a cookie that lives a little less long, is written', async () => {
    const { session, touch } = await loadedUntil(end)
    session.cookie.originalMaxAge = HOUR - 5 * SECOND
    expect(await touch(end)).to.equal(true)
    expect((await db.record('s1')).cookie).to.include({ originalMaxAge: HOUR - 5 * SECOND })
  })

  describe('and absoluteTtl', () => {
    const LONG = 12 * HOUR
    const options = { touchInterval: INTERVAL, absoluteTtl: LONG / SECOND }

    /** A session that ends at `end`, or so much sooner by its cookie; how it is touched, and whether that is written. */
    async function loadedNearItsEnd(sooner = 0) {
      const sessionCookie = cookie(HOUR)
      sessionCookie.expires = new Date(end - sooner)
      sessionCookie.originalMaxAge = HOUR
      const session = newSession({ userId: 'eva', sessionCreated: end - LONG }, sessionCookie)
      await db.store(options).set('s1', session)
      const { client, calls } = watch(db.client)
      const store = db.store({ ...options, client })
      const loaded = fields(await store.get('s1'))
      calls.length = 0
      return async (age: number) => {
        loaded.cookie.expires = new Date(end)
        loaded.cookie.originalMaxAge = age
        await store.touch('s1', loaded)
        return calls.length > 0
      }
    }

    for (const [name, by, writes] of [
      ['less than the interval after the last one is skipped', INTERVAL * SECOND - 1, false],
      ['the interval after the last one is written', INTERVAL * SECOND, true],
    ] as const) {
      it(`at the end, where the expiry stands still, ${name}`, async () => {
        const touch = await loadedNearItsEnd()
        expect(await touch(HOUR - by)).to.equal(writes)
        expect((await db.record('s1')).cookie).to.include({ originalMaxAge: writes ? HOUR - by : HOUR })
      })
    }

    it('that first reaches the end is written', async () => {
      const touch = await loadedNearItsEnd(10 * MINUTE)
      expect(await touch(HOUR)).to.equal(true)
      expect(await db.expiry('s1')).to.equal(end)
    })
  })

  it('of a session that could not be created does nothing', async () => {
    const store = db.store({ touchInterval: INTERVAL })
    const session = newSession({ userId: 'eva', toJSON: () => ({}) })
    await rejection(store.set('s1', session))
    await store.touch('s1', session)
    expect(await db.keys()).to.deep.equal([])
  })

  it('of a session that lost its cookie is no error', async () => {
    const { store, session } = await loadedUntil(end)
    delete (session as { cookie?: unknown }).cookie
    await store.touch('s1', session)
    expect(await db.record('s1')).to.include({ userId: 'eva' })
  })
})

describe('A touch', () => {
  const db = useDatabase()
  const long = 'x'.repeat(10_000)

  /** How many characters the touch of a loaded session sends, and what the record is then. */
  async function sent(options: object, to = usedCookie(0)) {
    await db.store(options).set('s1', newSession({ userId: 'eva', long }, usedCookie(MINUTE)))
    const { client, calls } = watch(db.client)
    const store = db.store({ client, ...options })
    const session = fields(await store.get('s1'))
    calls.length = 0
    await store.touch('s1', Object.assign(session, { cookie: to }))
    return JSON.stringify(calls).length
  }

  it('does not send the record, but twice where a serializer or absoluteTtl has a say', async () => {
    expect(await sent({})).to.be.below(1000)
    expect(await sent({}, cookie(null))).to.be.above(2 * long.length)
    expect(await sent({ absoluteTtl: 7200 })).to.be.above(2 * long.length)
    let written = 0
    const stringify = (session: unknown) => {
      written += 1
      return JSON.stringify(session)
    }
    expect(await sent({ serializer: { parse: JSON.parse, stringify } })).to.be.above(2 * long.length)
    expect(written, 'by the serializer, set and touch').to.equal(2)
    expect(await db.record('s1')).to.include({ userId: 'eva', long })
  })

  it('is one command, of an anonymous session too', async () => {
    for (const userId of ['eva', undefined]) {
      await db.store().set('s1', newSession({ userId, city: 'Zürich' }, usedCookie(MINUTE)))
      const { client, calls } = watch(db.client)
      const store = db.store({ client })
      const session = fields(await store.get('s1'))
      await store.touch('s1', Object.assign(session, { cookie: usedCookie(0) }))
      expect(calls.map(({ command }) => command)).to.deep.equal(['get', 'evalSha'])
      await db.store().destroy('s1')
    }
  })

  it('gives data without a cookie none, unless the new one says when it ends', async () => {
    const store = db.store()
    const expires = inMs(HOUR)
    const data = { userId: 'eva', expires }
    await createSession({ ...db.options, sessionId: 's1', data })
    const session = fields(await store.get('s1'))
    await store.touch('s1', session)
    expect(await db.record('s1')).to.deep.equal(data)
    for (const says of [{ expires: inMs(2 * HOUR) }, { originalMaxAge: HOUR }]) {
      await createSession({ ...db.options, sessionId: 's1', data })
      const ending = fields(await store.get('s1'))
      Object.assign(ending.cookie, says)
      await store.touch('s1', ending)
      expect((await db.record('s1')).cookie).to.deep.include(says)
    }
  })

  it('of a session that could not be created does nothing', async () => {
    const store = db.store()
    const session = newSession({ userId: {} })
    await rejection(store.set('s1', session))
    await store.touch('s1', session)
    expect(await db.keys()).to.deep.equal([])
  })

  it('with absoluteTtl, the older start of two counts where one session replaces another', async () => {
    const store = db.store({ absoluteTtl: 7200 })
    const started = Date.now() - HOUR
    await store.set('s1', newSession({ userId: 'eva' }))
    await store.set('s1', newSession({ userId: 'eva', sessionCreated: started }))
    expect(await db.record('s1')).to.include({ sessionCreated: started })
    await store.set('s1', newSession({ userId: 'eva' }))
    expect(await db.record('s1')).to.include({ sessionCreated: started })
    await store.set('s1', newSession())
    expect(await db.record('s1'), 'nobody’s session').to.include({ sessionCreated: started })
  })

  it('with absoluteTtl, a session that replaces one without a start keeps its own', async () => {
    const started = Date.now() - HOUR
    await db.store().set('s1', newSession({ userId: 'eva' }))
    const session = newSession({ userId: 'eva', sessionCreated: started })
    await db.store({ absoluteTtl: 7200 }).set('s1', session)
    expect(await db.record('s1')).to.include({ sessionCreated: started })
  })
})

describe('What tells whose a session is must be in its record', () => {
  const db = useDatabase()

  for (const [name, session] of Object.entries({
    'a userId that is inherited': Object.assign(Object.create({ userId: 'eva' }), newSession()),
    'a userId that is not enumerable': Object.defineProperty(newSession(), 'userId', { value: 'eva' }),
    'a toJSON that leaves it out': newSession({ userId: 'eva', toJSON: () => ({ cookie: {} }) }),
    'a toJSON that says another': newSession({ userId: 'eva', toJSON: () => ({ userId: 'bob' }) }),
  })) {
    it(`${name} is a TypeError that names it, and writes nothing`, async () => {
      const error = await rejection(db.store().set('s1', session))
      expect(error).to.be.instanceOf(TypeError)
      expect(error.message).to.contain('session.userId').and.contain('in the serialized session')
      expect(await db.keys()).to.deep.equal([])
    })
  }

  it('so must a user that a loaded session is given', async () => {
    const store = db.store()
    await store.set('s1', newSession({ userId: 'eva' }))
    const before = await db.dump()
    for (const userId of ['bob', 'eva']) {
      const session = Object.assign(fields(await store.get('s1')), {
        userId,
        toJSON: () => ({ userId: 'x' }),
      })
      expect((await rejection(store.set('s1', session))).message).to.contain('session.userId')
    }
    const hidden = Object.defineProperty(fields(await store.get('s1')), 'userId', {
      value: 'bob',
      enumerable: false,
    })
    expect((await rejection(store.set('s1', hidden))).message).to.contain('session.userId')
    expect(await db.dump()).to.deep.equal(before)
  })

  it('a session that serializes to something else than an object is a TypeError that says so', async () => {
    const error = await rejection(db.store().set('s1', newSession({ toJSON: () => 'text' })))
    expect(error).to.be.instanceOf(TypeError)
    expect(error.message).to.contain('session').and.contain('data that serializes to an object')
  })
})

describe('A load', () => {
  const db = useDatabase()
  /** A record whose cookie has ended, though Redis still has it. */
  const outlived = JSON.stringify({ userId: 'eva', cookie: { originalMaxAge: HOUR, expires: inMs(-MINUTE) } })

  it('of a value of another type says so, and any other error is what it is', async () => {
    await db.client.lPush(db.sessionKey('s1'), 'x')
    const error = await rejection(db.store().get('s1'))
    expect(error).to.be.instanceOf(CorruptSessionError).and.have.property('key', db.sessionKey('s1'))
    expect(error.message).to.contain('another type')
    const broken = new Error('ERR broken')
    const { client } = failBefore(db.client, theLoad, broken)
    expect(await rejection(db.store({ client }).get('s1'))).to.equal(broken)
  })

  it('Guarantee 6, true expiry: of what has ended and has no TTL finds nothing', async () => {
    await db.client.set(db.sessionKey('s1'), outlived)
    expect(await db.store().get('s1')).to.equal(null)
    await db.client.pExpireAt(db.sessionKey('s1'), Date.now() + HOUR)
    const expires = new Date(await db.expiry('s1')).toISOString()
    expect(fields(await db.store().get('s1')).cookie).to.deep.include({ expires, originalMaxAge: HOUR })
  })

  it('of what has ended and goes meanwhile finds nothing', async () => {
    await db.client.set(db.sessionKey('s1'), outlived, { PX: HOUR })
    const { client, reached, release } = pauseAfter(db.client, theLoad)
    const loading = db.store({ client }).get('s1')
    await reached
    await db.client.del(db.sessionKey('s1'))
    release()
    expect(await loading).to.equal(null)
  })

  it('gives data of createSession a cookie that is no part of it, and may be replaced or deleted', async () => {
    const store = db.store()
    const expires = inMs(HOUR)
    await createSession({ ...db.options, sessionId: 's1', data: { userId: 'eva', expires } })
    const loaded = fields(await store.get('s1'))
    expect(Object.keys(loaded)).to.have.members(['userId', 'expires'])
    await store.set('s1', Object.assign(loaded, { seen: true }))
    expect(await db.record('s1')).to.deep.equal({ userId: 'eva', expires, seen: true })
    loaded.cookie = usedCookie(MINUTE)
    expect(loaded.cookie.originalMaxAge).to.equal(HOUR)
    expect(Reflect.deleteProperty(loaded, 'cookie')).to.equal(true)
  })
})

describe('Guarantee 3, owned: a session that two requests give to two users', () => {
  onEveryStage((scene) => {
    it('is the later one’s, and in no other index', async () => {
      const id = await scene.signIn('alice')
      const store = scene.store()
      const mine = fields(await store.get(id))
      await scene.request(id, { userId: 'bob' })
      await store.set(id, Object.assign(mine, { userId: 'carol' }))
      await scene.expectSignedIn(id, 'carol')
    })
  })
})
