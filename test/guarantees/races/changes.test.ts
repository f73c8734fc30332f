/** Guarantees 5 and 6: overlapping writes of one session merge, and every reported expiry agrees. */
import { expect } from 'chai'
import { createSession, updateSession, updateUserSessions } from '../../../src/index.ts'
import { atClock } from '../../support/clock.ts'
import { HOUR, inMs, MINUTE, SECOND } from '../../support/database.ts'
import { pauseAfter, pauseBefore } from '../../support/paused-client.ts'
import {
  inflate,
  load,
  newId,
  nth,
  onEveryStage,
  thePruning,
  theRighting,
  theTouch,
  theWrite,
} from '../../support/scene.ts'
import { cookie, newSession } from '../../support/sessions.ts'

const WEEK = 7 * 24 * HOUR

describe('no change is lost', () => {
  onEveryStage((scene) => {
    it('of two saves that change different properties', async () => {
      const id = await scene.signIn('alice', { cart: [], theme: 'light' })
      const { store, reached, release } = scene.stoppedBefore(theWrite)
      const saving = store.set(id, Object.assign(await load(store, id), { cart: ['book'] }))
      await reached
      await scene.request(id, { theme: 'dark' })
      release()
      await saving
      expect(await scene.record(id))
        .to.include({ userId: 'alice', theme: 'dark' })
        .and.deep.include({ cart: ['book'] })
    })

    it('of a save that meets another record, which is as before when the save looks at it', async () => {
      const id = await scene.signIn('alice', { cart: [] })
      const record = (await scene.client.get(scene.sessionKey(id))) as string
      const before = pauseBefore(scene.client, theWrite)
      const after = pauseAfter(before.client, theWrite)
      const store = scene.store({ client: after.client as never })
      const saving = store.set(id, Object.assign(await load(store, id), { cart: ['book'] }))
      await before.reached
      await scene.client.set(scene.sessionKey(id), record.replace('"cart":[]', '"cart":1'), { KEEPTTL: true })
      before.release()
      await after.reached
      await scene.client.set(scene.sessionKey(id), record, { KEEPTTL: true })
      after.release()
      await saving
      expect(await scene.record(id)).to.deep.include({ userId: 'alice', cart: ['book'] })
    })

    it('of two saves that change the same property, but the earlier one', async () => {
      const id = await scene.signIn('alice', { step: 0 })
      const { store, reached, release } = scene.stoppedBefore(theWrite)
      const saving = store.set(id, Object.assign(await load(store, id), { step: 1 }))
      await reached
      await scene.request(id, { step: 2 })
      release()
      await saving
      expect((await scene.record(id)).step).to.equal(1)
    })

    it('of two saves of one object that do not wait for each other', async () => {
      const [id, store] = [await scene.signIn('alice', { step: 0 }), scene.store()]
      const session = await load(store, id)
      session.step = 1
      const first = store.set(id, session)
      session.step = 0
      await Promise.all([first, store.set(id, session)])
      expect((await scene.record(id)).step).to.equal(0)
    })

    it('of a save that deletes one property and one that changes another', async () => {
      const id = await scene.signIn('alice', { notice: 'welcome', theme: 'light' })
      const { store, reached, release } = scene.stoppedBefore(theWrite)
      const session = await load(store, id)
      delete session.notice
      const saving = store.set(id, session)
      await reached
      await scene.request(id, { theme: 'dark' })
      release()
      await saving
      expect(await scene.record(id))
        .to.include({ theme: 'dark' })
        .and.not.have.property('notice')
    })

    it('of a deletion and a change of one property, but the earlier one', async () => {
      for (const [late, early, expected] of [
        [undefined, 'changed', undefined],
        ['changed', undefined, 'changed'],
      ]) {
        const id = await scene.signIn('alice', { notice: 'welcome' })
        const { store, reached, release } = scene.stoppedBefore(theWrite)
        const saving = store.set(id, Object.assign(await load(store, id), { notice: late }))
        await reached
        await scene.request(id, { notice: early })
        release()
        await saving
        expect((await scene.record(id)).notice).to.equal(expected)
      }
    })

    it('of eight requests that save at once', async () => {
      const [id, store] = [await scene.signIn('alice'), scene.store()]
      const names = Array.from({ length: 8 }, (_, n) => `change${n}`)
      const sessions = await Promise.all(names.map(() => load(store, id)))
      await Promise.all(
        names.map((name, n) => store.set(id, Object.assign(sessions[n] as object, { [name]: n }) as never)),
      )
      expect(await scene.record(id)).to.include(Object.fromEntries(names.map((name, n) => [name, n])))
    })

    it('of a save while another request only touches, whichever is first', async () => {
      for (const changesFirst of [true, false]) {
        const id = await scene.signIn('alice')
        const { store, reached, release } = scene.stoppedBefore(changesFirst ? theTouch : theWrite)
        const [session, now] = [await load(store, id), scene.store()]
        const other = await load(now, id)
        const saves = Object.assign(changesFirst ? other : session, { cart: ['book'] })
        other.touch()
        session.touch()
        const late = changesFirst ? store.touch(id, session) : store.set(id, saves)
        await reached
        await (changesFirst ? now.set(id, saves) : now.touch(id, other))
        release()
        await late
        expect(await scene.record(id)).to.deep.include({ userId: 'alice', cart: ['book'] })
        await scene.expectOneExpiry(id, 'alice')
      }
    })

    it('of a session that was created under the same id in the meantime: the later create replaces it', async () => {
      const id = newId()
      const { store, reached, release } = scene.stoppedBefore(theWrite)
      const creating = store.set(id, newSession({ userId: 'alice' }))
      await reached
      await scene.signIn('bob', { theirs: true }, id)
      release()
      await creating
      await scene.expectSignedIn(id, 'alice')
      expect(await scene.record(id)).not.to.have.property('theirs')
    })

    it('of a user who signs in under the id of an anonymous create in the meantime: the later save replaces the session', async () => {
      const id = newId()
      const { store, reached, release } = scene.stoppedBefore(theWrite)
      const creating = store.set(id, newSession({ cart: [] }))
      await reached
      await scene.signIn('alice', { theirs: true }, id)
      release()
      await creating
      expect(await scene.record(id))
        .to.deep.include({ cart: [] })
        .and.not.have.any.keys('userId', 'theirs')
      expect(await scene.keys()).to.deep.equal([scene.sessionKey(id)])
    })

    it('of a request that moves the session to another user: a late save of the old user’s request is dropped', async () => {
      const id = await scene.signIn('alice')
      const { store, reached, release } = scene.stoppedBefore(theWrite)
      const session = Object.assign(await load(store, id), { cart: ['book'] })
      const saving = store.set(id, session)
      await reached
      await scene.request(id, { userId: 'bob' })
      release()
      await saving
      await store.set(id, Object.assign(session, { cart: ['pen'] }))
      expect(await scene.record(id)).not.to.have.property('cart')
      await scene.expectSignedIn(id, 'bob')
    })

    for (const [what, before, after] of [
      ['signs in', undefined, 'alice'],
      ['signs out', 'alice', undefined],
    ] as const) {
      it(`of a request that ${what}, and one that fills the cart, whichever is first`, async () => {
        for (const signsFirst of [true, false]) {
          const id = await scene.signIn(before, { cart: [] })
          const { store, reached, release } = scene.stoppedBefore(theWrite)
          const [late, early] = signsFirst
            ? [{ cart: ['book'] }, { userId: after }]
            : [{ userId: after }, { cart: ['book'] }]
          const saving = store.set(id, Object.assign(await load(store, id), late))
          await reached
          await scene.request(id, early)
          release()
          await saving
          expect(await scene.record(id)).to.deep.include({ cart: ['book'] })
          if (after !== undefined) await scene.expectSignedIn(id, after)
          else expect(await scene.record(id)).not.to.have.property('userId')
          if (before !== undefined) expect(await scene.index(before)).to.deep.equal({})
        }
      })
    }
  })
})

describe('a removed role does not come back with a shopping cart', () => {
  onEveryStage((scene) => {
    it('when updateUser runs while a request saves', async () => {
      const id = await scene.signIn('alice', { role: 'admin' })
      const { store, reached, release } = scene.stoppedBefore(theWrite)
      const saving = store.set(id, Object.assign(await load(store, id), { cart: ['book'] }))
      await reached
      expect(await scene.store().updateUser('alice', { role: 'guest' } as never)).to.equal(1)
      release()
      await saving
      expect(await scene.record(id)).to.deep.include({ role: 'guest', cart: ['book'] })
    })

    it('when the request saves while updateUser, updateUserSessions or updateSession is at its write', async () => {
      for (const update of ['updateUser', 'updateUserSessions', 'updateSession']) {
        const id = await scene.signIn('alice', { role: 'admin' })
        const { store, options, reached, release } = scene.stoppedBefore(theWrite)
        const data = { role: 'guest' }
        const updating =
          update === 'updateUser'
            ? store.updateUser('alice', data as never)
            : update === 'updateSession'
              ? updateSession({ ...options, sessionId: id, data })
              : updateUserSessions({ ...options, userId: 'alice', data })
        await reached
        await scene.request(id, { cart: ['book'] })
        release()
        await updating
        expect(await scene.record(id)).to.deep.include({ role: 'guest', cart: ['book'] })
        await scene.store().destroy(id)
      }
    })

    it('when the request had saved before, and saves again', async () => {
      const [id, store] = [await scene.signIn('alice', { role: 'admin' }), scene.store()]
      const session = await load(store, id)
      await store.set(id, Object.assign(session, { cart: ['book'] }))
      await scene.store().updateUser('alice', { role: 'guest' } as never)
      await store.set(id, Object.assign(session, { cart: ['book', 'pen'] }))
      await store.set(id, Object.assign(session, { cart: [] }))
      expect(await scene.record(id)).to.deep.include({ role: 'guest', cart: [] })
    })

    it('when the request reloads in between', async () => {
      const id = await scene.signIn('alice', { role: 'admin' })
      const { store, reached, release } = scene.stoppedBefore(theWrite)
      await load(store, id)
      const data = await store.get(id)
      const session = inflate(store, id, data as never)
      const saving = store.set(id, Object.assign(session, { cart: ['book'] }))
      await reached
      await updateUserSessions({ ...scene.options, userId: 'alice', data: { role: 'guest' } })
      release()
      await saving
      expect(await scene.record(id)).to.deep.include({ role: 'guest', cart: ['book'] })
    })
  })
})

describe('the TTL, the index, the record and the reported expiry agree', () => {
  onEveryStage((scene) => {
    it('when a touch meets a new remember-me', async () => {
      const id = await scene.signIn('alice')
      const { store, reached, release } = scene.stoppedBefore(theTouch)
      const session = await load(store, id)
      session.touch()
      const touching = store.touch(id, session)
      await reached
      const other = scene.store()
      const remembered = await load(other, id)
      remembered.cookie.maxAge = WEEK
      await other.touch(id, remembered)
      release()
      await touching
      expect((await scene.record(id)).cookie.originalMaxAge).to.be.closeTo(WEEK, 100)
      expect(await scene.expectOneExpiry(id, 'alice')).to.be.closeTo(Date.now() + WEEK, MINUTE)
    })

    it('when a touch that came out a millisecond short meets a new remember-me', async () => {
      const [id, store] = [await scene.signIn('alice'), scene.store()]
      const [session, remembered] = [await load(store, id), await load(store, id)]
      remembered.cookie.maxAge = WEEK
      await store.set(id, remembered)
      session.touch()
      session.cookie.originalMaxAge = HOUR - 1
      await store.touch(id, session)
      expect(await scene.expectOneExpiry(id, 'alice')).to.be.closeTo(Date.now() + WEEK, MINUTE)
    })

    it('when a request saves that was touched before another one shortened the session', async () => {
      const [id, store] = [await scene.signIn('alice'), scene.store()]
      const [session, shortened] = [await load(store, id), await load(store, id)]
      await atClock(SECOND, async () => session.touch())
      shortened.cookie.maxAge = MINUTE
      await store.set(id, shortened)
      await store.set(id, Object.assign(session, { cart: ['book'] }))
      expect(await scene.record(id)).to.deep.include({ cart: ['book'] })
      expect(await scene.expectOneExpiry(id, 'alice')).to.be.at.most(Date.now() + MINUTE)
    })

    it('when two requests have loaded a session without a cookie, and one remembers it', async () => {
      const [id, store] = [newId(), scene.store()]
      await createSession({ ...scene.options, sessionId: id, data: { userId: 'alice', expires: inMs(HOUR) } })
      const [session, remembered] = [await load(store, id), await load(store, id)]
      remembered.cookie.maxAge = WEEK
      await store.set(id, remembered)
      await store.set(id, Object.assign(session, { cart: ['book'] }))
      expect(await scene.record(id)).to.deep.include({ cart: ['book'] })
      expect(await scene.expectOneExpiry(id, 'alice')).to.be.closeTo(Date.now() + WEEK, MINUTE)
    })

    it('when a remember-me meets a touch', async () => {
      const id = await scene.signIn('alice')
      const { store, reached, release } = scene.stoppedBefore(theWrite)
      const remembered = await load(store, id)
      remembered.cookie.maxAge = WEEK
      const saving = store.set(id, remembered)
      await reached
      const other = scene.store()
      const session = await load(other, id)
      session.touch()
      await other.touch(id, session)
      release()
      await saving
      expect(await scene.expectOneExpiry(id, 'alice')).to.be.closeTo(Date.now() + WEEK, MINUTE)
    })

    it('when two touches meet, and the later one is first', async () => {
      const id = await scene.signIn('alice')
      const { store, reached, release } = scene.stoppedBefore(theTouch)
      const [session, other] = [await load(store, id), scene.store()]
      session.cookie.expires = new Date(Date.now() + HOUR)
      const touching = store.touch(id, session)
      await reached
      const later = await load(other, id)
      later.cookie.expires = new Date(Date.now() + HOUR + MINUTE)
      await other.touch(id, later)
      release()
      await touching
      await scene.expectOneExpiry(id, 'alice')
    })

    it('when a touch raises the expiry and another lowers it', async () => {
      const id = await scene.signIn('alice')
      for (const [first, second] of [
        [HOUR, MINUTE],
        [MINUTE, HOUR],
        [2 * HOUR, 2 * MINUTE],
      ] as const) {
        const { store, reached, release } = scene.stoppedBefore(theWrite)
        const [session, other] = [await load(store, id), scene.store()]
        session.cookie.maxAge = second
        const touching = store.touch(id, session)
        await reached
        const now = await load(other, id)
        now.cookie.maxAge = first
        await other.touch(id, now)
        release()
        await touching
        expect(await scene.expectOneExpiry(id, 'alice')).to.be.closeTo(Date.now() + second, 10_000)
      }
    })

    it('when a session is shortened while the step that creates it settles its entry', async () => {
      const [id, expires] = [newId(), inMs(MINUTE)]
      const maker = scene.stoppedBefore(nth(2, theRighting))
      const made = maker.store.set(id, newSession({ userId: 'alice' }, cookie(HOUR)))
      await Promise.race([maker.reached, made])
      const other = scene.stoppedBefore(theWrite)
      const shortened = updateSession({ ...other.options, sessionId: id, data: { expires } })
      await other.reached
      maker.release()
      await made
      other.release()
      await shortened
      // First, because a listing rights an entry that is too short.
      await scene.expectSignedIn(id, 'alice')
      expect(await scene.expectOneExpiry(id, 'alice')).to.equal(Date.parse(expires))
    })

    it('when a session is shortened while a lister puts the entry back that it took for a dead one', async () => {
      const [id, expires] = [newId(), inMs(MINUTE)]
      const make = () => scene.store().set(id, newSession({ userId: 'alice' }, cookie(HOUR)))
      await make()
      await scene.expire(id)
      const righting = scene.stoppedBefore(theRighting)
      const pruning = pauseBefore(righting.client, thePruning)
      const listing = scene.store({ client: pruning.client }).userSessions('alice')
      await pruning.reached
      await make()
      pruning.release()
      await Promise.race([righting.reached, listing])
      await updateSession({ ...scene.options, sessionId: id, data: { expires } })
      righting.release()
      await listing
      expect(await scene.expectOneExpiry(id, 'alice')).to.equal(Date.parse(expires))
    })

    it('when two shorten a session at once, and the second one more', async () => {
      const id = await scene.signIn('alice')
      const first = scene.stoppedBefore(thePruning)
      const data = { expires: inMs(HOUR / 2) }
      const shorter = updateSession({ ...first.options, sessionId: id, data })
      await Promise.race([first.reached, shorter])
      const second = scene.stoppedBefore(theWrite)
      const expires = inMs(MINUTE)
      const shortest = updateSession({ ...second.options, sessionId: id, data: { expires } })
      await second.reached
      first.release()
      await shorter
      second.release()
      await shortest
      expect(await scene.expectOneExpiry(id, 'alice')).to.equal(Date.parse(expires))
      await scene.request(id, { cart: ['book'] })
      expect(await scene.expectOneExpiry(id, 'alice')).to.equal(Date.parse(expires))
    })

    it('when a session is shortened, and another call restores exactly the end that it had', async () => {
      const [id, expires] = [newId(), inMs(HOUR)]
      await scene.store().set(id, newSession({ userId: 'alice' }, cookie(MINUTE)))
      await updateSession({ ...scene.options, sessionId: id, data: { expires } })
      const shorter = scene.stoppedBefore(thePruning)
      const data = { expires: inMs(MINUTE) }
      const shortened = updateSession({ ...shorter.options, sessionId: id, data })
      await Promise.race([shorter.reached, shortened])
      await updateSession({ ...scene.options, sessionId: id, data: { expires } })
      shorter.release()
      await shortened
      // First, because a listing rights an entry that is too short.
      await scene.expectSignedIn(id, 'alice')
      expect(await scene.expectOneExpiry(id, 'alice')).to.equal(Date.parse(expires))
    })

    it('when a request saves without a touch while the session is touched', async () => {
      const id = await scene.signIn('alice')
      const { store, reached, release } = scene.stoppedBefore(theWrite)
      const saving = store.set(id, Object.assign(await load(store, id), { cart: ['book'] }))
      await reached
      const other = scene.store()
      const touched = await load(other, id)
      touched.cookie.maxAge = WEEK
      await other.touch(id, touched)
      release()
      await saving
      expect(await scene.expectOneExpiry(id, 'alice')).to.be.closeTo(Date.now() + WEEK, MINUTE)
    })

    it("when updateSession's new expires meets a save that was under way", async () => {
      for (const withCookie of [true, false]) {
        const id = newId()
        const data = { userId: 'alice', expires: inMs(HOUR) }
        if (withCookie) await scene.signIn('alice', {}, id)
        else await createSession({ ...scene.options, sessionId: id, data })
        const { store, reached, release } = scene.stoppedBefore(theWrite)
        const saving = store.set(id, Object.assign(await load(store, id), { cart: ['book'] }))
        await reached
        const expires = Date.now() + WEEK
        await updateSession({
          ...scene.options,
          sessionId: id,
          data: { expires: new Date(expires).toISOString() },
        })
        release()
        await saving
        expect(await scene.expiry(id)).to.equal(expires)
        expect((await scene.index('alice'))[id]).to.equal(expires)
        const [listed] = await scene.store().userSessions('alice')
        expect(listed?.expires.getTime()).to.equal(expires)
        await scene.store().destroy(id)
      }
    })

    it('when a session whose cookie has no expiry is updated: it keeps the end that the last touch set', async () => {
      const [id, store] = [newId(), scene.store({ ttl: 3600 })]
      await store.set(id, newSession({ userId: 'alice' }, cookie(null)))
      const expires = (await scene.expiry(id)) + MINUTE
      const until = await scene.expectListed(id, 'alice')
      await scene.client.pExpireAt(scene.sessionKey(id), expires)
      await scene.store().updateUser('alice', { role: 'guest' } as never)
      await updateSession({ ...scene.options, sessionId: id, data: { cart: [] } })
      await updateUserSessions({ ...scene.options, userId: 'alice', data: { cart: [] } })
      expect(await scene.expiry(id)).to.equal(expires)
      expect(await scene.expectListed(id, 'alice')).to.equal(until)
    })

    it('when connect-redis had touched it and moved only the TTL: a save without a touch gives it a full lifetime from now', async () => {
      const [id, expires] = [newId(), Date.now() + HOUR]
      const old = { originalMaxAge: HOUR, expires: inMs(-MINUTE), httpOnly: true, path: '/' }
      const record = JSON.stringify({ cookie: old, userId: 'alice' })
      await scene.client.set(scene.sessionKey(id), record, { PXAT: expires })
      await scene.request(id, { cart: ['book'] })
      expect(await scene.expectOneExpiry(id, 'alice')).to.be.within(expires, Date.now() + HOUR)
      await scene.expectSignedIn(id, 'alice')
      expect(await scene.record(id)).to.deep.include({ cart: ['book'] })
    })

    it('when an explicit save happens after the end that the cookie had', async () => {
      const [id, store] = [await scene.signIn('alice'), scene.store()]
      const record = await scene.record(id)
      record.cookie.expires = new Date(Date.now() - MINUTE).toISOString()
      const expires = await scene.expiry(id)
      await scene.client.set(scene.sessionKey(id), JSON.stringify(record))
      await scene.client.pExpireAt(scene.sessionKey(id), expires)
      await store.set(id, Object.assign(await load(store, id), { cart: ['book'] }))
      await scene.expectOneExpiry(id, 'alice')
      expect(await scene.record(id)).to.deep.include({ cart: ['book'] })
    })
  })
})
