/** The package works in the same way on one server, a pool, Sentinel and Cluster. */
import { expect } from 'chai'
import {
  createSession,
  deleteSession,
  deleteUserSessions,
  getUserSessions,
  readSession,
  SessionNotFoundError,
  SessionUserError,
  updateSession,
  updateUserSessions,
} from '../../src/index.ts'
import { HOUR, inMs, MINUTE, rejection } from '../support/database.ts'
import { newId, onEveryStage } from '../support/scene.ts'
import { cookie, fields, newSession, usedCookie } from '../support/sessions.ts'

/** More than one page of an index, and more than one step of SCAN. */
const MANY = 250

describe('the same on every topology', () => {
  onEveryStage((scene) => {
    describe('the seven functions', () => {
      it('create, read, update and delete a session', async () => {
        const data = { userId: 'alice', expires: inMs(HOUR), cart: ['book'] }
        const sessionId = await createSession({ ...scene.options, data })
        expect(await readSession({ ...scene.options, sessionId })).to.deep.equal(data)
        await scene.expectSignedIn(sessionId, 'alice')
        const expires = inMs(2 * HOUR)
        await updateSession({ ...scene.options, sessionId, data: { cart: [], expires } })
        expect(await readSession({ ...scene.options, sessionId })).to.deep.equal({
          userId: 'alice',
          expires,
          cart: [],
        })
        await scene.expectSignedIn(sessionId, 'alice')
        await updateSession({ ...scene.options, sessionId, data: { expires: inMs(MINUTE) } })
        await scene.expectSignedIn(sessionId, 'alice')
        await deleteSession({ ...scene.options, sessionId })
        await deleteSession({ ...scene.options, sessionId })
        await scene.expectGone(sessionId)
        expect(await scene.keys()).to.deep.equal([])
      })

      it('list, update and delete the sessions of one user only', async () => {
        const create = (userId: string, expires: string) =>
          createSession({ ...scene.options, data: { userId, expires } })
        const [later, sooner] = [await create('alice', inMs(HOUR)), await create('alice', inMs(MINUTE))]
        const bobs = await create('bob', inMs(HOUR))
        await updateUserSessions({ ...scene.options, userId: 'alice', data: { role: 'guest' } })
        const listed = await getUserSessions<{ role: string }>({ ...scene.options, userId: 'alice' })
        expect(listed.map(({ sessionId, data }) => [sessionId, data.role])).to.deep.equal([
          [sooner, 'guest'],
          [later, 'guest'],
        ])
        await deleteUserSessions({ ...scene.options, userId: 'alice' })
        expect(await getUserSessions({ ...scene.options, userId: 'alice' })).to.deep.equal([])
        expect(await readSession({ ...scene.options, sessionId: bobs })).not.to.have.property('role')
        await scene.expectSignedIn(bobs, 'bob')
      })

      it('refuse another user, and an update of a missing session', async () => {
        const data = { userId: 'alice', expires: inMs(HOUR) }
        const sessionId = await createSession({ ...scene.options, data })
        const wrong = { ...data, userId: 'bob' }
        expect(await rejection(createSession({ ...scene.options, sessionId, data: wrong }))).to.be.instanceOf(
          SessionUserError,
        )
        expect(await rejection(updateSession({ ...scene.options, sessionId, data: wrong }))).to.be.instanceOf(
          SessionUserError,
        )
        await scene.expectSignedIn(sessionId, 'alice')
        expect(
          await rejection(updateSession({ ...scene.options, sessionId: newId(), data })),
        ).to.be.instanceOf(SessionNotFoundError)
      })

      it('leave nothing of a session that is already expired', async () => {
        const data = { userId: 'alice', expires: inMs(-MINUTE) }
        const sessionId = await createSession({ ...scene.options, data })
        expect(await scene.keys()).to.deep.equal([])
        await createSession({ ...scene.options, sessionId, data: { ...data, expires: inMs(MINUTE) } })
        await createSession({ ...scene.options, sessionId, data })
        expect(await scene.keys()).to.deep.equal([])
      })
    })

    describe('the store', () => {
      it('saves, loads, touches and destroys', async () => {
        const [store, id] = [scene.store(), await scene.signIn('alice', { cart: 1 })]
        const loaded = fields(await store.get(id))
        expect(loaded.cart).to.equal(1)
        const before = await scene.expectOneExpiry(id, 'alice')
        loaded.cookie = cookie(2 * HOUR)
        await store.touch(id, loaded)
        const raised = await scene.expectOneExpiry(id, 'alice')
        expect(raised).to.be.greaterThan(before)
        loaded.cookie = cookie(MINUTE)
        await store.touch(id, loaded)
        expect(await scene.expectOneExpiry(id, 'alice')).to.be.lessThan(before)
        await store.set(id, Object.assign(loaded, { cart: 2 }))
        await scene.expectSignedIn(id, 'alice')
        expect(await scene.record(id)).to.include({ cart: 2 })
        await store.destroy(id)
        await scene.expectGone(id)
        expect(await store.get(id)).to.equal(null)
      })

      it('moves a session between users, and out of the index of the last one', async () => {
        const id = await scene.signIn(undefined, { cart: 1 })
        expect(await scene.keys()).to.deep.equal([scene.sessionKey(id)])
        await scene.request(id, { userId: 'alice' })
        await scene.expectSignedIn(id, 'alice')
        await scene.request(id, { userId: 'bob' })
        await scene.expectSignedIn(id, 'bob')
        await scene.request(id, { userId: undefined })
        expect(await scene.keys()).to.deep.equal([scene.sessionKey(id)])
      })

      it('lists the sessions of a user, most recently active first', async () => {
        const store = scene.store()
        const ids = [newId(), newId(), newId()] as const
        for (const [n, id] of ids.entries()) {
          await store.set(id, newSession({ userId: 7 }, usedCookie(n * MINUTE)))
        }
        const listed = await store.userSessions(7)
        expect(listed.map(({ sessionId }) => sessionId)).to.deep.equal(ids)
        for (const { sessionId, expires } of listed) {
          expect(expires.getTime()).to.equal(await scene.expiry(sessionId))
        }
        expect(await store.userSessions('8')).to.deep.equal([])
      })

      it('signs out a user everywhere, everywhere else, or in one session', async () => {
        const store = scene.store()
        const ids = await Promise.all([1, 2, 3, 4].map(() => scene.signIn('alice')))
        const [first, second, third] = ids as [string, string, string]
        const bobs = await scene.signIn('bob')
        const handles = new Map(
          (await store.userSessions('alice')).map((each) => [each.sessionId, each.handle]),
        )
        expect(await store.destroyUserSession('bob', handles.get(first) as string)).to.equal(false)
        expect(await store.destroyUserSession('bob', first)).to.equal(false)
        expect(await store.destroyUserSession('alice', handles.get(first) as string)).to.equal(true)
        expect(await store.destroyUserSession('alice', second)).to.equal(true)
        await scene.expectGone(first)
        await scene.expectGone(second)
        expect(await store.destroyUser('alice', { except: third })).to.equal(1)
        await scene.expectSignedIn(third, 'alice')
        expect(await store.destroyUser('alice')).to.equal(1)
        expect(await store.destroyUser('alice')).to.equal(0)
        await scene.expectGone(third)
        await scene.expectSignedIn(bobs, 'bob')
        expect(await scene.keys()).to.have.members([scene.sessionKey(bobs), scene.indexKey('bob')])
      })

      it('updates all sessions of a user, and keeps the changes of requests in flight', async () => {
        const store = scene.store()
        const [one, two] = [await scene.signIn('alice', { role: 'admin' }), await scene.signIn('alice')]
        const inFlight = fields(await store.get(one))
        expect(await store.updateUser('alice', { role: 'guest' } as never)).to.equal(2)
        await store.set(one, Object.assign(inFlight, { cart: 1 }))
        expect(await scene.record(one)).to.include({ role: 'guest', cart: 1 })
        expect(await scene.record(two)).to.include({ role: 'guest' })
        await scene.expectOneExpiry(one, 'alice')
      })

      it('counts, enumerates and clears all sessions under its prefix', async () => {
        const store = scene.store({ scanCount: 20 })
        const ids = Array.from({ length: MANY }, newId)
        await Promise.all(ids.map((id, n) => scene.signIn(n % 5 === 0 ? undefined : `user ${n % 3}`, {}, id)))
        expect(await store.length()).to.equal(MANY)
        expect(await store.ids())
          .to.have.members(ids)
          .and.to.have.length(MANY)
        expect((await store.all()).map(({ id }) => id)).to.have.members(ids)
        const seen = new Set<string>()
        for await (const { id } of store.sessions()) seen.add(id)
        expect([...seen]).to.have.members(ids)
        const listed = await Promise.all([0, 1, 2].map((n) => store.userSessions(`user ${n}`)))
        expect(listed.flat()).to.have.length((MANY * 4) / 5)
        await store.clear()
        expect(await scene.keys()).to.deep.equal([])
      })

      it('lists and signs out a user whose sessions fill more than one page of the index', async () => {
        const [store, other] = [scene.store(), await scene.signIn('bob')]
        await Promise.all(Array.from({ length: MANY }, () => scene.signIn('alice')))
        expect(await store.userSessions('alice')).to.have.length(MANY)
        expect(await store.updateUser('alice', { role: 'guest' } as never)).to.equal(MANY)
        expect(await store.destroyUser('alice')).to.equal(MANY)
        expect(await scene.keys()).to.have.members([scene.sessionKey(other), scene.indexKey('bob')])
      })

      it('indexes sessions of another store, and removes entries of sessions that belong to another user', async () => {
        const ids = [newId(), newId(), newId()]
        const expires = Date.now() + HOUR
        for (const id of ids) {
          const record = JSON.stringify(newSession({ userId: 'alice' }))
          await scene.client.set(scene.sessionKey(id), record, {
            expiration: { type: 'PXAT', value: expires },
          })
        }
        await scene.client.zAdd(scene.indexKey('alice'), { value: 'stale', score: expires })
        expect(await scene.store().reindex()).to.deep.equal({ scanned: 3, indexed: 3 })
        expect(await scene.index('alice')).to.include(Object.fromEntries(ids.map((id) => [id, expires])))
        expect(await scene.store().userSessions('alice')).to.have.length(3)
        expect(await scene.index('alice')).to.deep.equal(Object.fromEntries(ids.map((id) => [id, expires])))
        expect(await scene.client.pExpireTime(scene.indexKey('alice'))).to.equal(expires)
      })

      it('continues after records that cannot be read, and revocation deletes them', async () => {
        const [good, corrupt, foreign] = [await scene.signIn('alice'), newId(), newId()]
        await scene.client.set(scene.sessionKey(corrupt), '{')
        await scene.client.hSet(scene.sessionKey(foreign), 'field', 'value')
        for (const id of [corrupt, foreign]) {
          await scene.client.zAdd(scene.indexKey('alice'), { value: id, score: Date.now() + HOUR })
          expect((await rejection(scene.store().get(id))).message).to.include(scene.sessionKey(id))
        }
        const listed = await scene.store().userSessions('alice')
        expect(listed.map(({ sessionId }) => sessionId)).to.deep.equal([good])
        expect((await scene.store().all()).map(({ id }) => id)).to.deep.equal([good])
        await scene.store().reindex()
        expect(await scene.store().destroyUser('alice')).to.equal(3)
        expect(await scene.keys()).to.deep.equal([])
      })
    })
  })
})
