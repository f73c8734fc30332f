/**
 * Edge cases of loads, saves and touches: the order of saves of one object, skipped touches, the owner in the record.
 */
import { expect } from 'chai'
import { CorruptSessionError, createSession, deleteUserSessions, readSession } from '../../src/index.ts'
import { stopClock } from '../support/clock.ts'
import { HOUR, inMs, MINUTE, rejection, SECOND, useDatabase } from '../support/database.ts'
import { expectListed } from '../support/listed.ts'
import { failBefore, pauseBefore, watch } from '../support/paused-client.ts'
import { nth, onEveryStage, theLoad, theWrite } from '../support/scene.ts'
import { cookie, fields, newSession, usedCookie } from '../support/sessions.ts'

describe('Saves of one object run in turn', () => {
  const db = useDatabase()

  /** Waits long enough for work that does not have to wait. */
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
      const refused = rejection(store.set('s1', Object.assign(session, { amount: 10n })))
      await meanwhile()
      const asked = calls.length
      delete session.amount
      const waiting = next === 'destroy' ? store.destroy('s1') : store.set('s1', session)
      await meanwhile()
      expect(calls).to.have.length(asked)
      release()
      await Promise.all([creating, waiting])
      expect(await refused).to.be.instanceOf(TypeError)
      if (next === 'destroy') expect(await db.keys()).to.deep.equal([])
    })
  }

  it('destroy does not wait for an update, and the update is dropped', async () => {
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
  /** In ms. Less than the drift of a cookie from the clock. */
  const INTERVAL = 50

  stopClock()

  /** A session that this process has saved; `by` is how much later than then it is touched to end. */
  async function saved(options: object = {}) {
    const { client, calls } = watch(db.client)
    const store = db.store({ client, touchInterval: INTERVAL / SECOND, ...options })
    await store.set('s1', newSession({ userId: 'eva' }, cookie(HOUR)))
    const [end, until] = [await db.expiry('s1'), await expectListed(db, 's1', 'eva')]
    const session = fields(await store.get('s1'))
    const touch = async (by: number) => {
      calls.length = 0
      session.cookie.expires = new Date(end + by)
      await store.touch('s1', session)
      return calls.map(({ command }) => command)
    }
    return { store, session, end, until, touch }
  }

  for (const [name, by, sends, moved] of [
    ['to the same end is skipped', 0, [], 0],
    ['by less than the interval is skipped', INTERVAL - 1, [], 0],
    ['by the interval is written', INTERVAL, ['pExpireAt'], INTERVAL],
    ['to an earlier end moves nothing', -1, ['pExpireAt'], 0],
  ] as const) {
    it(name, async () => {
      const { end, until, touch } = await saved()
      expect(await touch(by)).to.deep.equal(sends)
      expect(await db.expiry('s1')).to.equal(end + moved)
      expect(await db.index('eva')).to.deep.equal({ s1: until })
      await expectListed(db, 's1', 'eva')
    })
  }

  it('that skips one still counts from the last that was written', async () => {
    const { end, touch } = await saved()
    expect(await touch(INTERVAL - 1)).to.deep.equal([])
    expect(await touch(INTERVAL + 1)).to.deep.equal(['pExpireAt'])
    expect(await touch(INTERVAL + 2)).to.deep.equal([])
    expect(await db.expiry('s1')).to.equal(end + INTERVAL + 1)
  })

  it('to the same end, by a cookie that lives a little less long, is written', async () => {
    const { session, end, touch } = await saved()
    session.cookie.originalMaxAge = HOUR - 5 * SECOND
    expect(await touch(0)).to.not.deep.equal([])
    expect((await db.record('s1')).cookie).to.include({ originalMaxAge: HOUR - 5 * SECOND })
    expect(await db.expiry('s1')).to.equal(end)
    await expectListed(db, 's1', 'eva')
  })

  it('of a session that another process has saved since is written: it has another end in the index', async () => {
    const { store, end } = await saved()
    const { client, calls } = watch(db.client)
    const other = db.store({ client })
    const theirs = fields(await other.get('s1'))
    theirs.cookie = cookie(9 * HOUR)
    await other.set('s1', theirs)
    const again = fields(await store.get('s1'))
    expect(again.cookie.originalMaxAge).to.equal(9 * HOUR)
    await db.client.pExpireAt(db.sessionKey('s1'), end)
    calls.length = 0
    await store.touch('s1', again)
    expect(await db.expiry('s1')).to.be.above(end + 7 * HOUR)
  })

  describe('and absoluteTtl', () => {
    const LONG = 12 * HOUR
    // Set for each test: the files are loaded long before some tests run.
    let end: number
    beforeEach(() => {
      end = Math.floor(Date.now() / 1000) * 1000 + 20 * MINUTE
    })

    /**
     * A session that ends at `end`, or earlier by its cookie. Returns how to touch it, and whether the touch was
     * written.
     */
    async function nearItsEnd(sooner = 0) {
      const { client, calls } = watch(db.client)
      const store = db.store({ client, touchInterval: INTERVAL / SECOND, absoluteTtl: LONG / SECOND })
      const sessionCookie = cookie(HOUR)
      sessionCookie.expires = new Date(end - sooner)
      sessionCookie.originalMaxAge = HOUR
      const session = newSession({ userId: 'eva', sessionCreated: end - LONG }, sessionCookie)
      await store.set('s1', session)
      const loaded = fields(await store.get('s1'))
      return async (expires: number, age = HOUR) => {
        calls.length = 0
        loaded.cookie.expires = new Date(expires)
        loaded.cookie.originalMaxAge = age
        await store.touch('s1', loaded)
        return calls.length > 0
      }
    }

    it('at the absolute end, when the expiry stands still, is skipped', async () => {
      const touch = await nearItsEnd()
      for (const expires of [end, end, end + HOUR]) {
        expect(await touch(Math.min(expires, end))).to.equal(false)
        expect(await db.expiry('s1')).to.equal(end)
      }
    })

    it('at the end, with another maxAge, is written, and does not move the end', async () => {
      const touch = await nearItsEnd()
      expect(await touch(end, 2 * HOUR)).to.equal(true)
      expect((await db.record('s1')).cookie).to.include({ originalMaxAge: 2 * HOUR })
      expect(await db.expiry('s1')).to.equal(end)
      expect(await expectListed(db, 's1', 'eva')).to.equal(end)
    })

    it('that first reaches the end is written', async () => {
      const touch = await nearItsEnd(10 * MINUTE)
      expect(await touch(end)).to.equal(true)
      expect(await db.expiry('s1')).to.equal(end)
      expect(await expectListed(db, 's1', 'eva')).to.equal(end)
    })
  })

  it('of a session that could not be created does nothing', async () => {
    const store = db.store({ touchInterval: INTERVAL / SECOND })
    const session = newSession({ userId: 'eva', amount: 10n })
    await rejection(store.set('s1', session))
    await store.touch('s1', session)
    expect(await db.keys()).to.deep.equal([])
  })

  it('of a session that lost its cookie is no error', async () => {
    const { store, session } = await saved()
    delete (session as { cookie?: unknown }).cookie
    await store.touch('s1', session)
    expect(await db.record('s1')).to.include({ userId: 'eva' })
  })
})

describe('A touch', () => {
  const db = useDatabase()
  stopClock()
  const long = 'x'.repeat(10_000)

  /** Resolves to how many characters the touch of a loaded session sends, and to the record after that. */
  async function sent(options: object, to = usedCookie(0)) {
    await db.store(options).set('s1', newSession({ userId: 'eva', long }, usedCookie(MINUTE)))
    const { client, calls } = watch(db.client)
    const store = db.store({ client, ...options })
    const session = fields(await store.get('s1'))
    calls.length = 0
    await store.touch('s1', Object.assign(session, { cookie: to }))
    return JSON.stringify(calls).length
  }

  it('does not send the record, nor serialize it, but twice if its cookie has changed', async () => {
    let written = 0
    const stringify = (session: unknown) => {
      written += 1
      return JSON.stringify(session)
    }
    const options = [{}, { absoluteTtl: 7200 }, { serializer: { parse: JSON.parse, stringify } }]
    for (const each of options) expect(await sent(each)).to.be.below(1000)
    expect(written, 'by the serializer, of set alone').to.equal(1)
    for (const each of options) {
      expect(await sent(each, cookie(null))).to.be.above(2 * long.length)
      expect(await db.record('s1')).to.include({ userId: 'eva', long })
    }
    expect(written, 'by the serializer, set and touch').to.equal(3)
  })

  it('is one plain command, of an anonymous session too', async () => {
    for (const userId of ['eva', undefined]) {
      await db.store().set('s1', newSession({ userId, city: 'Zürich' }, usedCookie(MINUTE)))
      const { client, calls } = watch(db.client)
      const store = db.store({ client })
      const session = fields(await store.get('s1'))
      await store.touch('s1', Object.assign(session, { cookie: usedCookie(0) }))
      expect(calls.map(({ command }) => command)).to.deep.equal(['get', 'pExpireAt'])
      await db.store().destroy('s1')
    }
  })

  it('adds no cookie to data without one, unless the new cookie has an expiry', async () => {
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

  it('with absoluteTtl, the earlier creation time counts if one session replaces another', async () => {
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

describe('Guarantee 1, indexed: the user that a session names, and the user in its record', () => {
  const db = useDatabase()

  for (const [name, make] of Object.entries({
    'a userId that is inherited': () => Object.assign(Object.create({ userId: 'eva' }), newSession()),
    'a userId that is not enumerable': () => Object.defineProperty(newSession(), 'userId', { value: 'eva' }),
    'a toJSON that leaves it out': () => newSession({ userId: 'eva', toJSON: () => ({ cookie: {} }) }),
  })) {
    it(`${name} is not in the data, but the record names the owner`, async () => {
      await db.store().set('s1', make())
      const until = await expectListed(db, 's1', 'eva')
      expect((await db.record('s1')).cookie.index).to.deep.equal({ until, user: 'eva' })
      const store = db.store()
      await store.set('s1', Object.assign(fields(await store.get('s1')), { cart: ['tea'] }))
      await expectListed(db, 's1', 'eva')
      expect(await deleteUserSessions({ ...db.options, userId: 'eva' })).to.equal(undefined)
      expect(await db.keys()).to.deep.equal([])
    })
  }

  it('a new session whose toJSON names another user is a TypeError, and nothing is written', async () => {
    for (const userId of ['eva', undefined, '']) {
      const session = newSession({ userId, toJSON: () => ({ userId: 'bob' }) })
      const error = await rejection(db.store().set('s1', session))
      expect(error).to.be.instanceOf(TypeError)
      expect(error.message).to.contain('session.userId').and.contain('in the serialized session')
      expect(await db.keys()).to.deep.equal([])
    }
  })

  it('a loaded session whose toJSON names another user is a TypeError too', async () => {
    const store = db.store()
    await store.set('s1', newSession({ userId: 'eva' }))
    const before = await db.dump()
    for (const userId of ['bob', 'eva', null]) {
      const session = Object.assign(fields(await store.get('s1')), {
        userId,
        toJSON: () => ({ userId: 'x' }),
      })
      expect((await rejection(store.set('s1', session))).message).to.contain('session.userId')
    }
    expect(await db.dump()).to.deep.equal(before)
  })

  it('a session whose serializer leaves out the user and the note for the index is a TypeError too', async () => {
    const stringify = (session: unknown) => JSON.stringify({ n: (session as { n?: number }).n })
    const store = db.store({ serializer: { parse: JSON.parse, stringify } })
    const error = await rejection(store.set('s1', newSession({ userId: 'eva' })))
    expect(error).to.be.instanceOf(TypeError)
    expect(error.message).to.contain('session.userId').and.contain('in the serialized session')
    expect(await db.keys()).to.deep.equal([])
  })

  it('a session that serializes to something else than an object is a TypeError that says so', async () => {
    const error = await rejection(db.store().set('s1', newSession({ toJSON: () => 'text' })))
    expect(error).to.be.instanceOf(TypeError)
    expect(error.message).to.equal('session.toJSON() must be an object, got a string of 4 characters')
    const serializer = { parse: JSON.parse, stringify: () => '"text"' }
    const own = await rejection(db.store({ serializer }).set('s1', newSession({ userId: 'eva' })))
    expect(own).to.be.instanceOf(TypeError)
    expect(own.message).to.contain('session').and.contain('data that serializes to an object')
    expect(await db.keys()).to.deep.equal([])
  })
})

describe('A load', () => {
  const db = useDatabase()
  /** A record whose cookie has expired, although Redis still has it. */
  const outlived = JSON.stringify({ userId: 'eva', cookie: { originalMaxAge: HOUR, expires: inMs(-MINUTE) } })

  it('of a value of another type fails with CorruptSessionError, and any other error passes through', async () => {
    await db.client.lPush(db.sessionKey('s1'), 'x')
    const error = await rejection(db.store().get('s1'))
    expect(error).to.be.instanceOf(CorruptSessionError).and.have.property('key', db.sessionKey('s1'))
    expect(error.message).to.contain('another type')
    const broken = new Error('ERR broken')
    const { client } = failBefore(db.client, theLoad, broken)
    expect(await rejection(db.store({ client }).get('s1'))).to.equal(broken)
  })

  it('Guarantee 6, true expiry: of a record of connect-redis uses the TTL, because the cookie is behind', async () => {
    await db.client.set(db.sessionKey('s1'), outlived, { PX: HOUR })
    const started = Date.now()
    const { cookie: loaded } = fields(await db.store().get('s1'))
    expect(loaded).to.deep.include({ originalMaxAge: HOUR })
    expect(Date.parse(String(loaded.expires))).to.be.within(started + HOUR, Date.now() + HOUR)
    expect((await db.store().userSessions('eva')).length, 'not indexed yet').to.equal(0)
    const [listed] = await db.store().all()
    expect(listed?.cookie.expires).to.equal(new Date(await db.expiry('s1')).toISOString())
  })

  it('Guarantee 4, bounded: finds nothing after the end of the index entry, although Redis has the key', async () => {
    const { cookie: theirs } = JSON.parse(outlived)
    const record = (until: number) =>
      JSON.stringify({ userId: 'eva', cookie: { ...theirs, index: { until } } })
    for (const [until, isFound] of [
      [Date.now() + MINUTE, true],
      [Date.now() - 1, false],
    ] as const) {
      await db.client.set(db.sessionKey('s1'), record(until), { PX: HOUR })
      await db.client.zAdd(db.indexKey('eva'), { value: 's1', score: Date.now() + HOUR })
      expect((await db.store().get('s1')) !== null, 'get').to.equal(isFound)
      expect(await db.store().userSessions('eva'), 'userSessions').to.have.length(isFound ? 1 : 0)
      expect(await db.store().all(), 'all').to.have.length(isFound ? 1 : 0)
      expect((await readSession({ ...db.options, sessionId: 's1' })) !== null, 'readSession').to.equal(
        isFound,
      )
    }
  })

  it('adds a cookie to data of createSession that is not part of the data, and can be replaced or deleted', async () => {
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

describe('Guarantee 3, owned: a session that two requests move to two users', () => {
  onEveryStage((scene) => {
    it('belongs to the user of the first save: the other save was made from another user’s session', async () => {
      const id = await scene.signIn('alice')
      const store = scene.store()
      const mine = fields(await store.get(id))
      await scene.request(id, { userId: 'bob' })
      await store.set(id, Object.assign(mine, { userId: 'carol', cart: ['of alice'] }))
      await scene.expectSignedIn(id, 'bob')
      expect(await scene.record(id)).to.not.have.property('cart')
    })

    it('of an anonymous session, is the later one’s, and in no other index', async () => {
      const id = await scene.signIn(undefined)
      const store = scene.store()
      const mine = fields(await store.get(id))
      await scene.request(id, { userId: 'bob' })
      await store.set(id, Object.assign(mine, { userId: 'carol' }))
      await scene.expectSignedIn(id, 'carol')
    })
  })
})
