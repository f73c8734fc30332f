/**
 * Guarantees 1 to 6 while a touch is in flight. A touch moves only the TTL and reads nothing. It may overlap with a
 * save, a sign-in, a revocation, an update, a listing or another touch. The clock of its process may be seconds off.
 */
import { expect } from 'chai'
import type { SessionData } from 'express-session'
import {
  deleteUserSessions,
  getUserSessions,
  readSession,
  SessionNotFoundError,
  updateSession,
  updateUserSessions,
} from '../../../src/index.ts'
import { atClock, clockAhead } from '../../support/clock.ts'
import { HOUR, inMs, MINUTE, rejection, SECOND } from '../../support/database.ts'
import { type Call, ClientDied, dieAfter, runs } from '../../support/paused-client.ts'
import {
  type LoadedSession,
  load,
  onEveryStage,
  type Scene,
  thePruning,
  theRemoval,
  theReservation,
  theRighting,
  theTouch,
  theWrite,
} from '../../support/scene.ts'
import { touchScript } from '../../support/scripts.ts'
import { cookie, type Fields, newSession } from '../../support/sessions.ts'

/** A touch by now goes beyond the `until` of a session of one hour that was loaded before. */
const BEYOND = 10 * MINUTE

/** Beyond it, a touch saves the cookie. */
const theTouchOfTheCookie = (call: Call) => theTouch(call) && runs(touchScript)(call)

/** In ms: how far the clocks of two processes are apart. */
const CLOCKS = [-5 * SECOND, 5 * SECOND]

describe('A touch that is under way', () => {
  onEveryStage((scene) => {
    it('is one command that moves the TTL, and nothing else', async () => {
      const id = await scene.signIn('alice', { cart: [] })
      const [record, index] = [await scene.record(id), await scene.index('alice')]
      const { calls } = await touched(scene, id)
      expect(calls.map(({ command }) => command)).to.deep.equal(['get', 'pExpireAt'])
      expect(await scene.record(id)).to.deep.equal(record)
      expect(await scene.index('alice')).to.deep.equal(index)
    })

    it('saves an expiry that the app has set outright, also a little earlier than before, and without another maxAge', async () => {
      const id = await scene.signIn('alice')
      const store = scene.store({ touchInterval: 0 })
      for (const minutes of [55, 50]) {
        const session = (await store.get(id)) as SessionData
        const expires = Date.now() + minutes * MINUTE
        session.cookie.expires = new Date(expires)
        await store.touch(id, session)
        expect(await scene.expiry(id)).to.equal(expires)
        expect((await scene.record(id)).cookie.expires).to.equal(new Date(expires).toISOString())
      }
    })

    it('beyond the end in the index moves the entry before the session or together with it, and keeps the data', async () => {
      const id = await scene.signIn('alice', { cart: [] })
      const before = await scene.expectListed(id, 'alice')
      await atClock(BEYOND, async () => {
        const { calls } = await touched(scene, id, { choice: theTouchOfTheCookie, loadedAt: 0 })
        expect(calls.filter(theTouch)).to.have.lengthOf(1)
        expect(await scene.expectOneExpiry(id, 'alice')).to.be.closeTo(Date.now() + HOUR, MINUTE)
      })
      expect(await scene.expectListed(id, 'alice')).to.be.greaterThan(before)
      expect(await scene.record(id)).to.deep.include({ cart: [] })
    })

    for (const [what, changeNow, expected] of [
      ['another property of the cookie', () => ({ sameSite: 'strict' }), { sameSite: 'strict' }],
      [
        'an expiry of the app’s own',
        () => ({ expires: new Date(Date.now() + MINUTE), originalMaxAge: HOUR }),
        {},
      ],
    ] as const) {
      it(`and that sets ${what} keeps that, and also the changes of another save`, async () => {
        const id = await scene.signIn('alice', { cart: [] })
        const { store, reached, release } = scene.stoppedBefore(theTouchOfTheCookie)
        const session = await load(store, id)
        const change = changeNow()
        Object.assign(session.cookie, change)
        const touching = store.touch(id, session)
        await reached
        await changed(scene, id, { cart: ['book'] })
        release()
        await touching
        const { cart, cookie } = await scene.record(id)
        expect(cart).to.deep.equal(['book'])
        expect(cookie).to.include({ ...expected, originalMaxAge: HOUR })
        if ('expires' in change) expect(await scene.expiry(id)).to.equal(change.expires.getTime())
        await scene.expectSignedIn(id, 'alice')
      })
    }

    it('beyond the end in the index, whose process dies after the write, leaves the session listed (1, indexed)', async () => {
      const id = await scene.signIn('alice')
      const { client } = dieAfter(scene.client, theTouchOfTheCookie)
      const store = scene.store({ client })
      const session = await load(store, id)
      const error = await atClock(BEYOND, () => rejection(touch(store, id, session)))
      expect(error).to.be.instanceOf(ClientDied)
      expect(await scene.expiry(id)).to.be.closeTo(Date.now() + BEYOND + HOUR, MINUTE)
      const { cookie } = await scene.record(id)
      // On Cluster the fraction of a millisecond is a mark of work on the entry.
      expect(Math.floor((await scene.index('alice'))[id] as number)).to.equal((cookie.index as Fields).until)
      expect(await scene.store().userSessions('alice')).to.have.lengthOf(1)
      await atClock(2 * BEYOND, () => touchedBy(scene, id, 0))
      await scene.expectSignedIn(id, 'alice')
    })

    it('beyond the end in the index leaves no entry if the session was destroyed before (4, bounded)', async () => {
      const id = await scene.signIn('alice')
      const { store, reached, release } = scene.stoppedBefore((call) => theRighting(call) || theTouch(call))
      const session = await load(store, id)
      const touching = atClock(BEYOND, () => touch(store, id, session))
      await reached
      await scene.store().destroy(id)
      release()
      await touching
      await scene.expectGone(id)
    })

    for (const beyond of [false, true]) {
      const where = beyond ? ', beyond what the index promises' : ''
      const options = beyond ? { choice: theTouchOfTheCookie, loadedAt: 0 } : { choice: theTouch }
      const now = <T>(work: () => Promise<T>) => atClock(beyond ? BEYOND : 0, work)
      const signedIn = (...args: Parameters<Scene['signIn']>) => atClock(0, () => scene.signIn(...args))

      describe(`which moves ${beyond ? 'the entry too' : 'the TTL alone'}`, () => {
        it(`keeps the changes of another save (5, nothing lost)${where}`, () =>
          now(async () => {
            const id = await signedIn('alice', { role: 'admin' })
            await touched(scene, id, {
              ...options,
              meanwhile: () => changed(scene, id, { role: 'guest', cart: ['book'] }),
            })
            expect(await scene.record(id)).to.deep.include({ role: 'guest', cart: ['book'] })
            await scene.expectSignedIn(id, 'alice')
            await scene.expectOneExpiry(id, 'alice')
          }))

        it(`and a later save of the same request change only the properties that this request changed${where}`, () =>
          now(async () => {
            const id = await signedIn('alice', { role: 'admin' })
            const late = await touched(scene, id, {
              ...options,
              meanwhile: () => changed(scene, id, { role: 'guest' }),
            })
            await late.store.set(id, Object.assign(late.session, { cart: ['book'] }))
            expect(await scene.record(id)).to.deep.include({ role: 'guest', cart: ['book'] })
            await scene.expectOneExpiry(id, 'alice')
          }))

        it(`leaves the later TTL if another touch runs in between, in either order${where}`, () =>
          now(async () => {
            const id = await signedIn('alice')
            await touched(scene, id, { ...options, meanwhile: () => touchedBy(scene, id, 2 * SECOND) })
            expect(await scene.expectOneExpiry(id, 'alice')).to.be.at.least(Date.now() + HOUR - SECOND)
            const before = await scene.expiry(id)
            await touched(scene, id, { meanwhile: () => touchedBy(scene, id, 0) })
            expect(await scene.expectOneExpiry(id, 'alice')).to.be.at.least(before)
          }))

        it(`loses no update of the user, nor does it undo one${where}`, () =>
          now(async () => {
            for (const update of ['updateUser', 'updateUserSessions', 'updateSession']) {
              const id = await signedIn('alice', { role: 'admin' })
              const work = (options = scene.options) =>
                updated(update, options, scene.store(options), id, { role: 'guest' })
              await touched(scene, id, { ...options, meanwhile: () => work() })
              expect(await scene.record(id)).to.include({ role: 'guest' })
              await scene.expectOneExpiry(id, 'alice')
              await scene.store().destroy(id)
            }
          }))

        for (const [what, user] of [
          ['another user’s', 'boris'],
          ['nobody’s', undefined],
        ] as const) {
          it(`leaves the indexes right if the session has become ${what} (1, indexed; 3, owned)${where}`, () =>
            now(async () => {
              const id = await signedIn('alice')
              await touched(scene, id, {
                ...options,
                meanwhile: () => changed(scene, id, { userId: user }),
              })
              if (user !== undefined) await scene.expectSignedIn(id, user)
              if (user !== undefined) await scene.expectOneExpiry(id, user)
              expect(await scene.index('alice')).to.deep.equal({})
              expect((await scene.record(id)).userId).to.equal(user)
            }))
        }

        it(`brings nothing back that was destroyed, and leaves no entry${where}`, () =>
          now(async () => {
            for (const revoke of [
              (store: ReturnType<Scene['store']>, id: string) => store.destroy(id),
              (store: ReturnType<Scene['store']>) => store.destroyUser('alice'),
              () => deleteUserSessions({ ...scene.options, userId: 'alice' }),
            ]) {
              const id = await signedIn('alice')
              await touched(scene, id, { ...options, meanwhile: () => revoke(scene.store(), id) })
              await scene.expectGone(id)
            }
          }))
      })
    }

    it('of an anonymous session leaves it listed if a user has signed in to it (1, indexed)', async () => {
      const id = await scene.signIn(undefined)
      await touched(scene, id, { meanwhile: () => changed(scene, id, { userId: 'alice' }) })
      await scene.expectSignedIn(id, 'alice')
      await scene.expectOneExpiry(id, 'alice')
    })

    it('of an anonymous session that is destroyed brings nothing back (2, final)', async () => {
      const id = await scene.signIn(undefined)
      await touched(scene, id, { meanwhile: () => scene.store().destroy(id) })
      expect(await scene.keys()).to.deep.equal([])
    })

    it('heals an index that Redis has evicted as soon as it moves the entry (1, indexed)', async () => {
      const id = await scene.signIn('alice')
      await scene.client.del(scene.indexKey('alice'))
      await atClock(BEYOND, () => touched(scene, id, { loadedAt: 0 }))
      await scene.expectSignedIn(id, 'alice')
    })

    it('drops expired entries of the user when it moves the entry (4, bounded)', async () => {
      const id = await scene.signIn('alice')
      await scene.client.zAdd(scene.indexKey('alice'), { score: Date.now() - 1, value: 'expired' })
      await atClock(BEYOND, () => touched(scene, id, { loadedAt: 0 }))
      expect(Object.keys(await scene.index('alice'))).to.deep.equal([id])
    })
  })
})

describe('While a session is touched', () => {
  onEveryStage((scene) => {
    it('a save that was under way keeps the longer life (6, true expiry)', async () => {
      for (const beyond of [0, BEYOND]) {
        const id = await scene.signIn('alice')
        const { store, reached, release } = scene.stoppedBefore(theWrite)
        const saving = store.set(id, Object.assign(await load(store, id), { cart: ['book'] }))
        await reached
        const other = scene.store()
        const session = await load(other, id)
        await atClock(beyond, () => touch(other, id, session))
        const expires = await scene.expiry(id)
        release()
        await saving
        expect(await scene.record(id)).to.deep.include({ cart: ['book'] })
        // A save is a use: it lets the session live as long from now.
        expect(await scene.expiry(id)).to.be.closeTo(beyond === 0 ? expires : Date.now() + HOUR, MINUTE)
        await scene.expectSignedIn(id, 'alice')
        await scene.expectOneExpiry(id, 'alice')
      }
    })

    it('an update that was under way keeps the TTL that the touch gave', async () => {
      for (const update of ['updateUser', 'updateUserSessions', 'updateSession']) {
        const id = await scene.signIn('alice', { role: 'admin' })
        const { store, options, reached, release } = scene.stoppedBefore(theWrite)
        const updating = updated(update, options, store, id, { role: 'guest' })
        await reached
        await touchedBy(scene, id, 3 * MINUTE)
        const expires = await scene.expiry(id)
        release()
        await updating
        expect(await scene.expiry(id), update).to.equal(expires)
        expect(await scene.record(id)).to.include({ role: 'guest' })
        await scene.expectSignedIn(id, 'alice')
        await scene.store().destroy(id)
      }
    })

    it('a revocation that has read it still deletes it (2, final)', async () => {
      for (const revoke of [
        (store: ReturnType<Scene['store']>, id: string) => store.destroy(id),
        (store: ReturnType<Scene['store']>) => store.destroyUser('alice'),
        (store: ReturnType<Scene['store']>, id: string) => store.destroyUserSession('alice', id),
      ]) {
        for (const beyond of [0, BEYOND]) {
          const id = await scene.signIn('alice')
          const { store, reached, release } = scene.stoppedBefore(theRemoval)
          const toucher = scene.store()
          const session = await load(toucher, id)
          const revoking = revoke(store, id)
          await reached
          await atClock(beyond, () => touch(toucher, id, session))
          release()
          expect(await revoking).to.be.oneOf([1, true, undefined])
          await scene.expectGone(id)
        }
      }
    })

    it('a revocation leaves no entry, also if the touch has moved the entry and died (4, bounded)', async () => {
      const id = await scene.signIn('alice')
      const { client } = dieAfter(scene.client, theRighting)
      const toucher = scene.store({ client })
      const session = await load(toucher, id)
      const revoker = scene.stoppedBefore(theRemoval)
      const revoking = revoker.store.destroy(id)
      await revoker.reached
      const touching = atClock(BEYOND, () => touch(toucher, id, session))
      // On one server the entry and the session move in one step.
      if (scene.topology.name === 'cluster') expect(await rejection(touching)).to.be.instanceOf(ClientDied)
      else await touching
      revoker.release()
      await revoking
      await scene.expectGone(id)
    })

    it('a revocation of an anonymous session that has read it still deletes it', async () => {
      const id = await scene.signIn(undefined)
      const { store, reached, release } = scene.stoppedBefore(theRemoval)
      const revoking = store.destroy(id)
      await reached
      await touchedBy(scene, id, SECOND)
      release()
      await revoking
      expect(await scene.keys()).to.deep.equal([])
    })

    it('a listing reports its expiry, and moves only a wrong entry', async () => {
      for (const wrong of [false, true]) {
        const id = await scene.signIn('alice')
        if (wrong) {
          const entry = { value: id, score: Date.now() + MINUTE }
          await scene.client.zAdd(scene.indexKey('alice'), entry)
        }
        const index = await scene.index('alice')
        const { store, calls, reached, release } = scene.stoppedBefore(theRighting)
        const listing = store.userSessions('alice')
        await Promise.race([reached, listing])
        await touchedBy(scene, id, SECOND)
        release()
        await listing
        await scene.expectSignedIn(id, 'alice')
        if (!wrong) expect(await scene.index('alice')).to.deep.equal(index)
        if (!wrong) expect(calls.some((call) => theRighting(call) || thePruning(call))).to.equal(false)
        await scene.store().destroy(id)
      }
    })

    it('a sign-in with it keeps it listed as long as it lives', async () => {
      for (const choice of [theReservation, theWrite]) {
        const id = await scene.signIn(undefined)
        const { store, reached, release } = scene.stoppedBefore(choice)
        const session = Object.assign(await load(store, id), { userId: 'alice' })
        const signingIn = store.set(id, session)
        await Promise.race([reached, signingIn])
        await touchedBy(scene, id, 5 * SECOND)
        release()
        await signingIn
        await scene.expectSignedIn(id, 'alice')
        await scene.expectOneExpiry(id, 'alice')
      }
    })
  })
})

describe('A late touch with a longer lifetime than the session now has', () => {
  const shorten: Record<string, (scene: Scene, id: string) => Promise<unknown>> = {
    'by updateSession': (scene, id) =>
      updateSession({ ...scene.options, sessionId: id, data: { expires: inMs(MINUTE) } }),
    'by a new maxAge': async (scene, id) => {
      const store = scene.store()
      const session = await load(store, id)
      session.cookie.maxAge = MINUTE
      await store.touch(id, session)
    },
    'by bob, who made another one under its id': async (scene, id) => {
      await scene.store().destroy(id)
      await scene.store().set(id, newSession({ userId: 'bob' }, cookie(MINUTE)))
    },
  }

  onEveryStage((scene) => {
    for (const [what, work] of Object.entries(shorten)) {
      const owner = what.includes('bob') ? 'bob' : 'alice'

      it(`which was shortened ${what}: it lives no longer than the index lists it (6, true expiry)`, async () => {
        const id = await scene.signIn('alice', { cart: [] })
        const late = await touched(scene, id, { meanwhile: () => work(scene, id) })
        const until = (await scene.index(owner))[id] as number
        expect(until).to.be.at.most(Date.now() + MINUTE + MINUTE / 8)
        const [listed] = await scene.store().userSessions(owner)
        expect(listed?.expires.getTime()).to.be.at.most(until)
        expect(await scene.client.pExpireTime(scene.indexKey(owner))).to.equal(until)
        const other = scene.store()
        const loaded = await load(other, id)
        await atClock(2 * MINUTE, async () => {
          await expectEnded(scene, id, owner)
          await other.set(id, Object.assign(loaded, { cart: ['book'] }))
          await touch(other, id, loaded)
          await late.store.set(id, Object.assign(late.session, { cart: ['book'] }))
          await touch(late.store, id, late.session)
          await expectEnded(scene, id, owner)
          expect((await scene.record(id)).cart).not.to.deep.equal(['book'])
        })
      })

      it(`which was shortened ${what}: the next full write corrects its end`, async () => {
        const id = await scene.signIn('alice')
        await touched(scene, id, { meanwhile: () => work(scene, id) })
        await updateSession({ ...scene.options, sessionId: id, data: { expires: inMs(MINUTE) } })
        const record = await scene.record(id)
        expect(await scene.expiry(id)).to.equal(Date.parse(record.cookie.expires as string))
        await scene.expectSignedIn(id, owner)
      })
    }
  })
})

describe('Two processes whose clocks differ by seconds', () => {
  onEveryStage((scene) => {
    for (const ahead of CLOCKS) {
      const which = ahead > 0 ? 'ahead' : 'behind'

      it(`touch, save, update and list one session, and never leave it unlisted (${which})`, async () => {
        const id = await atClock(ahead, () => scene.signIn('alice', { role: 'admin' }))
        const far = <T>(work: () => Promise<T>) => atClock(ahead, work)
        for (const [n, [one, other]] of [
          [far, near],
          [near, far],
        ].entries() as Iterable<[number, [typeof near, typeof near]]>) {
          const { store, reached, release } = scene.stoppedBefore(theTouch)
          const session = await one(() => load(store, id))
          const touching = one(() => touch(store, id, session))
          await reached
          await other(() => touchedBy(scene, id, 0))
          await other(() => changed(scene, id, { [`step${n}`]: n }))
          await other(() => scene.store().updateUser('alice', { role: 'guest' } as never))
          release()
          await touching
          for (const look of [one, other]) {
            await look(async () => expect(await scene.store().userSessions('alice')).to.have.lengthOf(1))
            await look(async () => expect(await scene.store().get(id)).to.include({ role: 'guest' }))
          }
          await scene.expectSignedIn(id, 'alice')
        }
        expect(await scene.record(id)).to.include({ step0: 0, step1: 1 })
      })

      it(`touch beyond the end in the index, and never leave the session unlisted (${which})`, async () => {
        const id = await atClock(ahead, () => scene.signIn('alice'))
        const until = await scene.expectListed(id, 'alice')
        // One process finds that the index promises enough, the other that it does not.
        const edge = until - HOUR - Date.now() - Math.abs(ahead) / 2
        const [first, second] = ahead > 0 ? [0, ahead] : [-ahead, 0]
        const { store, reached, release } = scene.stoppedBefore(theTouch)
        const session = await load(store, id)
        const touching = atClock(edge + first, () => touch(store, id, session))
        await reached
        await atClock(edge + second, () => touchedBy(scene, id, 0))
        release()
        await touching
        await scene.expectSignedIn(id, 'alice')
        expect(await scene.expectListed(id, 'alice')).to.be.greaterThan(until)
        expect(await scene.expiry(id)).to.be.closeTo(Date.now() + edge + HOUR, MINUTE)
      })

      it(`revoke a session that the other process touches and saves, and it stays gone (${which})`, async () => {
        const id = await scene.signIn('alice')
        const { store, reached, release } = scene.stoppedBefore(theWrite)
        const session = Object.assign(await atClock(ahead, () => load(store, id)), { cart: ['book'] })
        const saving = atClock(ahead, () => store.set(id, session))
        await reached
        expect(await scene.store().destroyUser('alice')).to.equal(1)
        release()
        await saving
        await atClock(ahead, () => touch(store, id, session))
        await scene.expectGone(id)
      })
    }
  })
})

const near = <T>(work: () => Promise<T>): Promise<T> => atClock(0, work)

/** As express-session does at the end of a request. */
async function touch(store: ReturnType<Scene['store']>, id: string, session: LoadedSession): Promise<void> {
  session.touch()
  await store.touch(id, session)
}

/** A whole request of another process, so many ms later, which only touches. */
async function touchedBy(scene: Scene, id: string, later: number): Promise<void> {
  await atClock(clockAhead() + later, async () => {
    const store = scene.store()
    await touch(store, id, await load(store, id))
  })
}

/** A save of another process, which does not change the cookie. */
async function changed(scene: Scene, id: string, changes: Fields): Promise<void> {
  const store = scene.store()
  const session = await load(store, id)
  Object.assign(session, changes)
  for (const [name, value] of Object.entries(changes)) if (value === undefined) delete session[name]
  await store.set(id, session)
}

function updated(
  name: string,
  options: Scene['options'],
  store: ReturnType<Scene['store']>,
  sessionId: string,
  data: Fields,
): Promise<unknown> {
  if (name === 'updateUser') return store.updateUser('alice', data as never)
  if (name === 'updateSession') return updateSession({ ...options, sessionId, data })
  return updateUserSessions({ ...options, userId: 'alice', data })
}

/** Nobody can load the session any more, although Redis may still have its key. */
async function expectEnded(scene: Scene, id: string, owner: string): Promise<void> {
  const store = scene.store()
  expect(await store.get(id), 'loaded').to.equal(null)
  expect(await readSession({ ...scene.options, sessionId: id }), 'read').to.equal(null)
  expect(await store.userSessions(owner), 'listed').to.deep.equal([])
  expect(await getUserSessions({ ...scene.options, userId: owner }), 'listed').to.deep.equal([])
  expect(await store.all(), 'among all').to.deep.equal([])
  expect(await store.updateUser(owner, { role: 'guest' } as never), 'updated').to.equal(0)
  const update = updateSession({ ...scene.options, sessionId: id, data: { role: 'guest' } })
  expect(await rejection(update), 'updated').to.be.instanceOf(SessionNotFoundError)
}

/** Touches a session, and lets `meanwhile` happen between the touch’s load and its command. */
async function touched(
  scene: Scene,
  id: string,
  {
    choice = theTouch,
    loadedAt = clockAhead(),
    meanwhile,
  }: {
    choice?: typeof theTouch
    /** By how many ms the clock was ahead when it was loaded, if it was another. */
    loadedAt?: number
    meanwhile?: () => Promise<unknown>
  } = {},
) {
  const stage = scene.stoppedBefore(choice)
  const { store, reached, release } = stage
  const session = await atClock(loadedAt, () => load(store, id))
  const touching = touch(store, id, session)
  await reached
  await meanwhile?.()
  release()
  await touching
  return { ...stage, session }
}
