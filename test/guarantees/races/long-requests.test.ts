/** A request that lasts longer than the lifetime of its session, while other requests keep the session alive. */
import { expect } from 'chai'
import type { UserSessionStore } from '../../../src/index.ts'
import { atClock } from '../../support/clock.ts'
import { HOUR, MINUTE } from '../../support/database.ts'
import { type LoadedSession, load, onEveryStage } from '../../support/scene.ts'
import { cookie, newSession } from '../../support/sessions.ts'

/** By then the record that the request has loaded has ended, and so has its index entry. */
const LATER = 2 * HOUR

describe('a request that lasts longer than its session would', () => {
  onEveryStage((scene) => {
    /** The session as the long request has loaded it. Another request has made it last longer since. */
    async function held(
      store: UserSessionStore,
      userId: string | undefined = 'alice',
    ): Promise<LoadedSession> {
      await scene.store().set('s1', newSession({ userId, n: 1 }, cookie(HOUR)))
      const session = await load(store, 's1')
      const other = await load(scene.store(), 's1')
      other.cookie.maxAge = 9 * HOUR
      await scene.store().set('s1', Object.assign(other, { theirs: true }))
      return session
    }

    for (const userId of ['alice', undefined]) {
      it(`Guarantee 5, nothing lost: its save is kept, ${userId ? 'signed in' : 'anonymous'}`, async () => {
        const store = scene.store()
        const session = await held(store, userId)
        await atClock(LATER, () => store.set('s1', Object.assign(session, { result: 'done' })))
        expect(await scene.record('s1')).to.include({ result: 'done', theirs: true })
        if (userId) await scene.expectSignedIn('s1', userId)
        await atClock(LATER, () => store.set('s1', Object.assign(session, { more: 'done' })))
        expect(await scene.record('s1')).to.include({ result: 'done', more: 'done' })
      })
    }

    it('Guarantee 6, true expiry: its touch moves the expiry', async () => {
      const store = scene.store()
      const session = await held(store)
      const before = await scene.expiry('s1')
      await atClock(LATER, async () => {
        session.cookie.expires = new Date(Date.now() + HOUR)
        session.cookie.originalMaxAge = HOUR
        await store.touch('s1', session)
      })
      expect(await scene.expiry('s1')).to.be.above(before + HOUR)
      await scene.expectSignedIn('s1', 'alice')
    })

    it('Guarantee 6, true expiry: a lifetime that it sets is kept', async () => {
      const store = scene.store()
      const session = await held(store)
      await atClock(LATER, async () => {
        session.cookie.maxAge = 30 * HOUR
        await store.touch('s1', session)
      })
      expect(await scene.expiry('s1')).to.be.within(Date.now() + 31 * HOUR, Date.now() + 33 * HOUR)
      await scene.expectSignedIn('s1', 'alice')
    })

    it('Guarantee 2, final: a session that has ended stays so, although its key is still there', async () => {
      const store = scene.store()
      await store.set('s1', newSession({ userId: 'alice' }, cookie(HOUR)))
      const session = await load(store, 's1')
      await scene.client.pExpireAt(scene.sessionKey('s1'), Date.now() + 9 * HOUR)
      const record = await scene.record('s1')
      await atClock(LATER, async () => {
        await store.set('s1', Object.assign(session, { result: 'done' }))
        await store.touch('s1', session)
        expect(await store.get('s1')).to.equal(null)
      })
      expect(await scene.record('s1')).to.deep.equal(record)
    })

    it('Guarantee 2, final: a session that was revoked stays so', async () => {
      const store = scene.store()
      const session = await held(store)
      await scene.store().destroyUser('alice')
      await atClock(LATER, async () => {
        await store.set('s1', Object.assign(session, { result: 'done' }))
        await store.touch('s1', session)
      })
      await scene.expectGone('s1')
    })

    it('Guarantee 3, owned: another user who has signed in under its id keeps the session', async () => {
      const store = scene.store()
      const session = await held(store)
      await scene.store().destroy('s1')
      await scene.signIn('bob', { cart: ['tea'] }, 's1')
      await atClock(LATER - MINUTE, () => store.set('s1', Object.assign(session, { result: 'done' })))
      expect(await scene.record('s1')).to.not.have.property('result')
      await scene.expectSignedIn('s1', 'bob')
    })
  })
})
