/** What an update reads, changes and refuses: expiry, owner, and the number of its reads. */
import { expect } from 'chai'
import {
  CorruptSessionError,
  createSession,
  deleteUserSessions,
  getUserSessions,
  readSession,
  SessionConflictError,
  SessionUserError,
  updateSession,
  updateUserSessions,
} from '../../src/index.ts'
import type { Access } from '../../src/redis/access.ts'
import { compareAndSet, maxAttempts } from '../../src/redis/compare-and-set.ts'
import type { Write } from '../../src/redis/records.ts'
import { HOUR, inMs, MINUTE, rejection, SECOND, useDatabase } from '../support/database.ts'
import { expectListed } from '../support/listed.ts'
import { type Call, pauseBefore, watch } from '../support/paused-client.ts'
import { onEveryStage, theRemoval, theWrite } from '../support/scene.ts'
import { cookie, fields, newSession, usedCookie } from '../support/sessions.ts'

const byAccount = { userId: (data: object) => (data as { account?: string }).account }

describe('An update', () => {
  const db = useDatabase()
  const one = (data: object) => updateSession({ ...db.options, sessionId: 's1', data })

  describe('Guarantee 6, true expiry', () => {
    it('keeps a TTL that is in neither cookie nor data', async () => {
      await db.store({ ttl: 100 }).set('s1', newSession({ userId: 'eva' }, cookie(null)))
      const expiry = await db.expiry('s1')
      await one({ role: 'user' })
      await updateUserSessions({ ...db.options, userId: 'eva', data: { role: 'admin' } })
      await db.store({ ttl: 200 }).updateUser('eva', { more: 1 } as never)
      expect(await db.expiry('s1')).to.equal(expiry)
      expect(await db.index('eva')).to.deep.equal({ s1: await expectListed(db, 's1', 'eva') })
    })

    it('with a cookie that is no object is refused, and changes nothing', async () => {
      await db.store().set('s1', newSession({ userId: 'eva' }))
      const before = await db.dump()
      for (const value of [null, 5, 'x', []]) {
        const [data, user] = [{ cookie: value }, { ...db.options, userId: 'eva' }]
        for (const call of [
          () => one(data),
          () => updateUserSessions({ ...user, data }),
          () => db.store().updateUser('eva', data as never),
        ]) {
          expect((await rejection(call())).message).to.match(/^data\.cookie must be an object, got/)
        }
      }
      expect(await db.dump()).to.deep.equal(before)
    })

    it('of all sessions of a user with an `expires` that is undefined keeps the expiry of each', async () => {
      const expires = inMs(HOUR)
      await createSession({ ...db.options, sessionId: 's1', data: { userId: 'eva', expires, role: 'admin' } })
      const change = { expires: undefined, role: undefined }
      expect(await db.store().updateUser('eva', change as never)).to.equal(1)
      expect(await db.record('s1')).to.deep.equal({ userId: 'eva', expires })
      expect(await db.expiry('s1')).to.equal(Date.parse(expires))
    })

    it('keeps such a TTL also of a session that has an end of its own, absoluteTtl', async () => {
      const absoluteTtl = (9 * HOUR) / SECOND
      await db.store({ ttl: 100, absoluteTtl }).set('s1', newSession({ userId: 'eva' }, cookie(null)))
      const expiry = await db.expiry('s1')
      await db.store({ ttl: 200, absoluteTtl }).updateUser('eva', { more: 1 } as never)
      expect(await db.record('s1')).to.include({ more: 1 })
      expect(await db.expiry('s1')).to.equal(expiry)
      expect(await db.index('eva')).to.deep.equal({ s1: await expectListed(db, 's1', 'eva') })
    })

    it('a new cookie moves TTL and index', async () => {
      const store = db.store()
      await store.set('s1', newSession({ userId: 'eva' }))
      const expires = inMs(9 * HOUR)
      const patch = { cookie: { originalMaxAge: 9 * HOUR, expires, path: '/' } }
      expect(await store.updateUser('eva', patch as never)).to.equal(1)
      expect(await db.expiry('s1')).to.equal(Date.parse(expires))
      expect(await db.index('eva')).to.deep.equal({ s1: await expectListed(db, 's1', 'eva') })
    })

    it('gives a record of connect-redis an entry by its TTL, because the record does not have an until', async () => {
      const record = JSON.stringify({ userId: 'eva', cookie: usedCookie(MINUTE) })
      const expiry = Date.now() + HOUR / 2
      await db.client.set(db.sessionKey('s1'), record, { expiration: { type: 'PXAT', value: expiry } })
      await one({ role: 'user' })
      expect(await db.expiry('s1')).to.equal(expiry)
      expect((await db.record('s1')).cookie.index).to.deep.equal({
        until: await expectListed(db, 's1', 'eva'),
      })
    })

    it('a new expires goes into the data and the cookie of a session that has it in both', async () => {
      const sessionCookie = { originalMaxAge: HOUR, expires: inMs(HOUR), path: '/' }
      const data = { userId: 'eva', expires: inMs(HOUR), cookie: sessionCookie }
      await createSession({ ...db.options, sessionId: 's1', data })
      const expires = inMs(9 * HOUR)
      await one({ expires })
      const record = await db.record('s1')
      expect([record.expires, record.cookie.expires]).to.deep.equal([expires, expires])
    })
  })

  describe('Guarantee 3, owned', () => {
    it('may name the user that a session of Passport has, and no other', async () => {
      await db.store().set('s1', newSession({ passport: { user: 'eva' } }))
      await one({ userId: 'eva', role: 'user' })
      expect(await db.record('s1')).to.include({ userId: 'eva', role: 'user' })
      expect(await rejection(one({ userId: 'bob' }))).to.be.instanceOf(SessionUserError)
    })

    it('cannot move a Passport session to another user by the property that Passport reads', async () => {
      await db.store().set('s1', newSession({ passport: { user: 'eva' } }))
      const before = await db.dump()
      for (const passport of [{ user: 'bob' }, {}]) {
        expect(await rejection(one({ passport }))).to.be.instanceOf(SessionUserError)
      }
      expect(await db.dump()).to.deep.equal(before)
    })

    it('may change the property that Passport reads in a session with a userId', async () => {
      const data = { userId: 'eva', expires: inMs(HOUR), passport: { user: 7 } }
      await createSession({ ...db.options, sessionId: 's1', data })
      await one({ passport: { user: 8 } })
      expect(await db.record('s1')).to.deep.include({ userId: 'eva', passport: { user: 8 } })
    })

    it('finds the index that lists a session, not the one that Passport would suggest', async () => {
      const store = db.store(byAccount)
      await store.set('s1', newSession({ account: 'eva', passport: { user: 'bob' } }))
      const expires = inMs(9 * HOUR)
      await one({ expires })
      expect(await db.index('eva')).to.deep.equal({ s1: Date.parse(expires) })
      expect(await db.index('bob')).to.deep.equal({})
    })

    it('leaves an anonymous session anonymous, beside sessions of users', async () => {
      const store = db.store()
      await store.set('s1', newSession())
      await store.set('s2', newSession({ userId: 'eva' }))
      const keys = await db.keys()
      await one({ expires: inMs(9 * HOUR) })
      expect(await db.keys()).to.deep.equal(keys)
      expect(Object.keys(await db.index('eva'))).to.deep.equal(['s2'])
    })

    it('a stale entry in another user’s index does not change the owner of a Passport session', async () => {
      await db.store().set('s1', newSession({ passport: { user: 'bob' } }))
      const stale = () => db.client.zAdd(db.indexKey('eva'), { value: 's1', score: Date.now() + HOUR })
      const before = await db.raw('s1')
      await stale()
      expect(await getUserSessions({ ...db.options, userId: 'eva' })).to.deep.equal([])
      await stale()
      await updateUserSessions({ ...db.options, userId: 'eva', data: { role: 'none' } })
      await stale()
      await deleteUserSessions({ ...db.options, userId: 'eva' })
      expect(await db.raw('s1')).to.equal(before)
      expect(Object.keys(await db.index('bob'))).to.deep.equal(['s1'])
    })

    it('a session with an invalid user id is anonymous, even if an index lists it', async () => {
      const record = JSON.stringify({ userId: { $ne: 1 }, cookie: usedCookie(MINUTE) })
      await db.client.set(db.sessionKey('s1'), record, { PX: HOUR })
      await db.client.zAdd(db.indexKey('eva'), { value: 's1', score: Date.now() + HOUR })
      expect(await db.store().destroyUser('eva')).to.equal(0)
      expect(await db.raw('s1')).to.equal(record)
    })

    it('a number in a record is the user id of that name, indexed or not', async () => {
      const record = JSON.stringify({ userId: 7, cookie: usedCookie(MINUTE) })
      await db.client.set(db.sessionKey('s1'), record, { PX: HOUR })
      await createSession({ ...db.options, sessionId: 's1', data: { userId: '7', expires: inMs(HOUR) } })
      expect(Object.keys(await db.index('7'))).to.deep.equal(['s1'])
    })

    it('a userId option that returns null or undefined makes a session anonymous', async () => {
      for (const nobody of [null, undefined]) {
        await db.store({ userId: () => nobody }).set('s1', newSession({ userId: 'eva' }))
        expect(await db.keys()).to.deep.equal([db.sessionKey('s1')])
      }
      const senseless = db.store({ userId: () => ({}) as string }).set('s1', newSession())
      expect((await rejection(senseless)).message).to.contain('session.userId')
    })
  })

  describe('asks Redis for no more than needed', () => {
    /** The keys that these calls name. */
    const keysOf = (calls: Call[]) =>
      new Set(
        calls.flatMap(({ args }) => (Object(args[1]).keys as string[] | undefined) ?? [String(args[0])]),
      )

    for (const [name, { options, data, user }] of Object.entries({
      'with a userId': { options: {}, data: { userId: 'eva' }, user: 'eva' },
      'of Passport': { options: {}, data: { passport: { user: 'eva' } }, user: 'eva' },
      'of a custom userId option': { options: byAccount, data: { account: 'eva' }, user: 'eva' },
      'of nobody': { options: {}, data: {}, user: undefined },
    })) {
      it(`of a session ${name}: the record names the owner, and no other index is read`, async () => {
        await db.store(options).set('s1', newSession(data))
        await db.store().set('s2', newSession({ userId: 'bob' }))
        for (const [patch, keys] of [
          [{ role: 'user' }, [db.sessionKey('s1')]],
          [{ expires: inMs(9 * HOUR) }, [db.sessionKey('s1'), ...(user ? [db.indexKey(user)] : [])]],
        ] as const) {
          const { client, calls } = watch(db.client)
          await updateSession({ ...db.options, client, sessionId: 's1', data: patch })
          expect(calls.map(({ command }) => command)).to.have.length.within(2, 3)
          expect(calls.map(({ command }) => command)).to.not.include('scan')
          const looked = keysOf(calls.filter(({ command }) => command === 'get' || command === 'evalSha'))
          expect(looked).to.deep.equal(new Set(keys))
        }
      })
    }

    it('for a user without sessions, reads only that user’s index, and repairs nothing if nothing is wrong', async () => {
      const { client, calls } = watch(db.client)
      const store = db.store({ client })
      expect(await store.userSessions('eva')).to.deep.equal([])
      expect(calls.filter(({ command }) => command === 'evalSha')).to.have.length(1)
      await store.set('s1', newSession({ userId: 'eva' }))
      await store.set('s2', newSession({ userId: 'eva' }))
      await db.client.persist(db.sessionKey('s2'))
      await store.userSessions('eva')
      calls.length = 0
      expect(await store.userSessions('eva')).to.have.length(2)
      expect(calls.filter(({ command }) => command === 'evalSha')).to.have.length(2)
    })
  })

  describe('of an ended session', () => {
    const longAgo = '1969-12-31T23:59:59.000Z'

    it('is no error, even before 1970, and leaves nothing', async () => {
      await createSession({ ...db.options, sessionId: 's1', data: { userId: 'eva', expires: longAgo } })
      expect(await db.keys()).to.deep.equal([])
      await createSession({ ...db.options, sessionId: 's1', data: { userId: 'eva', expires: inMs(HOUR) } })
      await one({ expires: longAgo })
      expect(await db.keys()).to.deep.equal([])
    })

    it('sends no index if a session is anonymous', async () => {
      const { client, calls } = watch(db.client)
      const store = db.store({ client })
      await store.set('s1', newSession({}, usedCookie(MINUTE)))
      const loaded = fields(await store.get('s1'))
      calls.length = 0
      await store.set('s1', Object.assign(loaded, { cookie: usedCookie(2 * HOUR) }))
      expect(await db.keys()).to.deep.equal([])
      expect(calls).to.deep.equal([{ command: 'getDel', args: [db.sessionKey('s1')] }])
    })
  })

  describe('Guarantee 7, alone: a record that is not valid UTF-8', () => {
    const damaged = () => {
      const text = JSON.stringify({ userId: 'eva', name: 'Z', cookie: usedCookie(MINUTE) })
      const bytes = Buffer.from(text)
      bytes[text.indexOf('Z')] = 0xff
      return db.client.set(db.sessionKey('s1'), bytes, { PX: HOUR })
    }

    it('fails its own save and update, with an error that names the key', async () => {
      await damaged()
      const loaded = fields(await db.store().get('s1'))
      const save = db.store()
      const mine = fields(await save.get('s1'))
      for (const failing of [save.set('s1', Object.assign(mine, { a: 1 })), one({ a: 1 })]) {
        const error = await rejection(failing)
        expect(error).to.be.instanceOf(CorruptSessionError).and.have.property('key', db.sessionKey('s1'))
        expect(error.message).to.contain('UTF-8')
      }
      expect(loaded.userId).to.equal('eva')
    })

    it('does not stop an update of its user, and is not counted', async () => {
      await db.store().set('s2', newSession({ userId: 'eva' }))
      await damaged()
      await db.client.zAdd(db.indexKey('eva'), { value: 's1', score: await db.expiry('s1') })
      const before = await db.raw('s1')
      expect(await db.store().updateUser('eva', { role: 'user' } as never)).to.equal(1)
      expect(await db.record('s2')).to.include({ role: 'user' })
      expect(await db.raw('s1')).to.equal(before)
    })
  })

  it('of a value of another type fails with CorruptSessionError', async () => {
    await db.client.lPush(db.sessionKey('s1'), 'x')
    const error = await rejection(readSession({ ...db.options, sessionId: 's1' }))
    expect(error.message).to.contain('another type')
  })

  it('rejects with SessionConflictError after ten thousand failed attempts', async () => {
    let writes = 0
    const write = async () => ({ done: false, current: `${++writes}` })
    const access = { records: { write }, keys: { session: (id: string) => id } } as unknown as Access
    const first: Write = {
      ...{ sessionId: 's1', expected: '0', record: 'mine', expiry: { at: Date.now() + HOUR } },
      ...{ entry: null, previous: null },
    }
    const endless = compareAndSet(access, first, async (expected) => ({ ...first, expected }))
    expect(await rejection(endless)).to.be.instanceOf(SessionConflictError)
    expect(writes).to.equal(maxAttempts)
  })

  it('one object that is saved under two ids is two sessions', async () => {
    const store = db.store()
    const session = fields(newSession({ userId: 'eva' }))
    await store.set('s1', session)
    await store.set('s2', session)
    expect(Object.keys(await db.index('eva')).sort()).to.deep.equal(['s1', 's2'])
    await store.destroy('s1')
    await store.set('s1', Object.assign(session, { more: 1 }))
    await store.set('s2', session)
    expect(await db.raw('s1')).to.equal(null)
    expect(await db.record('s2')).to.include({ more: 1 })
  })

  it('data that was not loaded makes a Session that creates', async () => {
    const store = db.store()
    const request = { sessionID: 's1', sessionStore: store } as never
    const session = store.createSession(request, newSession({ userId: 'eva' }))
    await store.set('s1', session)
    expect(Object.keys(await db.index('eva'))).to.deep.equal(['s1'])
  })
})

describe('Guarantee 3, owned: a session that moves to another user at the same time', () => {
  onEveryStage((scene) => {
    it('is not changed by an update of the user it had, which is no error', async () => {
      const id = await scene.signIn('alice')
      const { store, reached, release } = scene.stoppedBefore(theWrite)
      const late = store.updateUser('alice', { role: 'none' } as never)
      await reached
      await scene.request(id, { userId: 'bob' })
      release()
      expect(await late).to.equal(0)
      expect(await scene.record(id)).to.not.have.property('role')
      await scene.expectSignedIn(id, 'bob')
    })

    for (const [name, revoke] of Object.entries({ deleteUserSessions, updateUserSessions })) {
      it(`${name} does not change it if only its own record can name the owner`, async () => {
        const store = scene.store(byAccount)
        await store.set('s1', newSession({ account: 'alice' }))
        const stopped = pauseBefore(scene.client, name === 'deleteUserSessions' ? theRemoval : theWrite)
        const data = name === 'deleteUserSessions' ? {} : { data: { role: 'none' } }
        const late = revoke({ ...scene.options, client: stopped.client, userId: 'alice', ...data } as never)
        await stopped.reached
        await store.set('s1', Object.assign(fields(await store.get('s1')), { account: 'bob' }))
        stopped.release()
        await late
        expect(await scene.record('s1')).to.include({ account: 'bob' })
        expect(await scene.record('s1')).to.not.have.property('role')
        expect(await scene.index('bob')).to.deep.equal({ s1: await scene.expectListed('s1', 'bob') })
        expect(await scene.index('alice')).to.deep.equal({})
      })
    }
  })
})
