/** Guarantee 2: a revoked session does not come back, for every later call of a request that had loaded it. */
import { expect } from 'chai'
import type { Request } from 'express'
import session from 'express-session'
import {
  createSession,
  deleteSession,
  deleteUserSessions,
  SessionNotFoundError,
  type UserSessionStore,
  updateSession,
  updateUserSessions,
} from '../../../src/index.ts'
import { inMs, MINUTE, rejection } from '../../support/database.ts'
import { nextTurn } from '../../support/heard.ts'
import {
  inflate,
  load,
  newId,
  nth,
  onEveryStage,
  type Scene,
  theLoad,
  theRemoval,
  theTouch,
  theWrite,
} from '../../support/scene.ts'
import { newSession } from '../../support/sessions.ts'

/** Every way to revoke a session. */
const revocations: Record<string, (scene: Scene, sessionId: string) => Promise<unknown>> = {
  destroy: (scene, id) => scene.store().destroy(id),
  destroyUser: (scene) => scene.store().destroyUser('alice'),
  destroyUserSession: (scene, id) => scene.store().destroyUserSession('alice', id),
  deleteSession: (scene, id) => deleteSession({ ...scene.options, sessionId: id }),
  deleteUserSessions: (scene) => deleteUserSessions({ ...scene.options, userId: 'alice' }),
  clear: (scene) => scene.store().clear(),
  expiry: (scene, id) => scene.expire(id),
}

describe('a revoked session stays gone', () => {
  onEveryStage((scene) => {
    for (const [name, revoke] of Object.entries(revocations)) {
      describe(`after ${name}`, () => {
        it('when a request that had loaded it saves', async () => {
          const id = await scene.signIn('alice')
          const { store, reached, release } = scene.stoppedBefore(theWrite)
          const late = await load(store, id)
          late.cart = ['book']
          const saving = store.set(id, late)
          await reached
          await revoke(scene, id)
          release()
          await saving
          await store.set(id, late)
          expect(await scene.lives(id)).to.equal(false)
          await scene.store().userSessions('alice')
          await scene.expectGone(id)
        })

        it('when a request that had loaded it touches', async () => {
          const id = await scene.signIn('alice')
          const { store, reached, release } = scene.stoppedBefore(theTouch)
          const late = await load(store, id)
          late.touch()
          const touching = store.touch(id, late)
          await reached
          await revoke(scene, id)
          release()
          await touching
          await scene.store().touch(id, newSession({ userId: 'alice' }))
          expect(await scene.lives(id)).to.equal(false)
        })

        it('when a request that was reloading it saves', async () => {
          const id = await scene.signIn('alice')
          const { store, reached, release } = scene.stoppedAfter(nth(2, theLoad))
          await load(store, id)
          const reloading = store.get(id)
          await reached
          await revoke(scene, id)
          release()
          const data = await reloading
          if (!data) throw new Error('it was loaded before it was revoked')
          const late = inflate(store, id, data)
          late.cart = ['book']
          await store.set(id, late)
          expect(await scene.lives(id)).to.equal(false)
        })

        it('when a request’s save merges with another save, and the revocation runs in between', async () => {
          const id = await scene.signIn('alice')
          const { store, reached, release } = scene.stoppedBefore(nth(2, theWrite))
          const late = await load(store, id)
          await scene.request(id, { seen: true })
          late.cart = ['book']
          const saving = store.set(id, late)
          await reached
          await revoke(scene, id)
          release()
          await saving
          expect(await scene.lives(id)).to.equal(false)
        })

        it('when the request saves twice, before and after', async () => {
          const id = await scene.signIn('alice')
          const store = scene.store()
          const late = await load(store, id)
          late.step = 1
          await store.set(id, late)
          await revoke(scene, id)
          late.step = 2
          await store.set(id, late)
          expect(await scene.lives(id)).to.equal(false)
        })

        it('when the request that made it saves it again', async () => {
          const [id, store] = [newId(), scene.store()]
          const made = newSession({ userId: 'alice' })
          await store.set(id, made)
          await revoke(scene, id)
          await store.set(id, made)
          await store.touch(id, made)
          expect(await scene.lives(id)).to.equal(false)
        })

        it('when the request that makes it saves twice at once, and only the first is through', async () => {
          const id = newId()
          const { store, reached, release } = scene.stoppedBefore(nth(2, theWrite))
          const made = newSession({ userId: 'alice' })
          const saves = [store.set(id, made), store.set(id, made)]
          await reached
          await saves[0]
          await revoke(scene, id)
          release()
          await Promise.all(saves)
          expect(await scene.lives(id)).to.equal(false)
        })

        it('when it is saved under its id after it was saved under another', async () => {
          const [id, copy, store] = [await scene.signIn('alice'), newId(), scene.store()]
          const data = await load(store, id)
          await store.set(copy, data)
          await revoke(scene, id)
          await store.set(id, data)
          expect(await scene.lives(id)).to.equal(false)
        })

        it('when data that a listing gave is saved', async () => {
          const [id, store] = [await scene.signIn('alice'), scene.store()]
          const [listed] = await store.userSessions('alice')
          const [found] = await store.all()
          await revoke(scene, id)
          await store.set(id, listed?.data as never)
          await store.set(id, found as never)
          await store.touch(id, listed?.data as never)
          expect(await scene.lives(id)).to.equal(false)
        })

        it('when updateSession had read it', async () => {
          const id = await scene.signIn('alice')
          const { options, reached, release } = scene.stoppedBefore(theWrite)
          const updating = rejection(updateSession({ ...options, sessionId: id, data: { cart: 1 } }))
          await reached
          await revoke(scene, id)
          release()
          expect(await updating).to.be.instanceOf(SessionNotFoundError)
          expect(await scene.lives(id)).to.equal(false)
        })

        it('when updateUser and updateUserSessions had read it', async () => {
          const id = await scene.signIn('alice')
          const store = scene.stoppedBefore(theWrite)
          const functions = scene.stoppedBefore(theWrite)
          const updates = [
            store.store.updateUser('alice', { role: 'guest' } as never),
            updateUserSessions({ ...functions.options, userId: 'alice', data: { role: 'guest' } }),
            store.reached,
            functions.reached,
          ] as const
          await store.reached
          await functions.reached
          await revoke(scene, id)
          store.release()
          functions.release()
          expect(await updates[0]).to.equal(0)
          await updates[1]
          expect(await scene.lives(id)).to.equal(false)
        })
      })
    }

    describe('and a revocation in progress', () => {
      it('ends a session that is saved between its look and its removal', async () => {
        for (const revoke of [
          (store: ReturnType<Scene['store']>) => store.destroyUser('alice'),
          (store: ReturnType<Scene['store']>, id: string) => store.destroyUserSession('alice', id),
          (store: ReturnType<Scene['store']>, id: string) => store.destroy(id),
        ]) {
          const id = await scene.signIn('alice')
          const { store, reached, release } = scene.stoppedBefore(theRemoval)
          const revoking = revoke(store, id)
          await reached
          await scene.request(id, { cart: ['book'] })
          release()
          expect(await revoking).to.be.oneOf([1, true, undefined])
          await scene.expectGone(id)
        }
      })

      it('ends an anonymous session that a user signs in to between its read and its removal', async () => {
        const revoke = {
          destroy: (store: UserSessionStore, id: string) => store.destroy(id),
          deleteSession: (_: unknown, sessionId: string, options: Scene['options']) =>
            deleteSession({ ...options, sessionId }),
          clear: (store: UserSessionStore) => store.clear(),
        }
        for (const end of Object.values(revoke)) {
          const id = await scene.signIn(undefined)
          const { store, options, reached, release } = scene.stoppedBefore(theRemoval)
          const told: unknown[] = []
          store.on('destroyed', ({ userId }) => told.push(userId))
          const revoking = end(store, id, options)
          await reached
          await scene.request(id, { userId: 'alice' })
          await scene.expectSignedIn(id, 'alice')
          release()
          await revoking
          await scene.expectGone(id)
          await nextTurn()
          expect(told).to.deep.equal(end === revoke.deleteSession ? [] : ['alice'])
        }
      })

      it('keeps a sign-in indexed if it leaves it alive, and affects no other user', async () => {
        const [old, others] = [await scene.signIn('alice'), await scene.signIn('bob')]
        const { store, reached, release } = scene.stoppedBefore(theRemoval)
        const revoking = store.destroyUser('alice')
        await reached
        const fresh = await scene.signIn('alice')
        release()
        await revoking
        await scene.expectGone(old)
        await scene.expectSignedIn(others, 'bob')
        if (await scene.lives(fresh)) await scene.expectSignedIn(fresh, 'alice')
        else await scene.expectGone(fresh)
      })

      it('leaves a sign-in that was under way, and is written afterwards, alive and indexed', async () => {
        const [old, fresh] = [await scene.signIn('alice'), newId()]
        const { store, reached, release } = scene.stoppedBefore(theWrite)
        const signingIn = store.set(fresh, newSession({ userId: 'alice' }))
        await reached
        await scene.store().destroyUser('alice')
        release()
        await signingIn
        await scene.expectGone(old)
        await scene.expectSignedIn(fresh, 'alice')
      })

      it('spares a session that another user has signed in to since', async () => {
        for (const revoke of [
          (store: ReturnType<Scene['store']>) => store.destroyUser('alice'),
          (store: ReturnType<Scene['store']>, id: string) => store.destroyUserSession('alice', id),
        ]) {
          const id = await scene.signIn('alice')
          const { store, reached, release } = scene.stoppedBefore(theRemoval)
          const revoking = revoke(store, id)
          await reached
          await scene.request(id, { userId: 'bob' })
          release()
          expect(await revoking).to.be.oneOf([0, false])
          await scene.expectSignedIn(id, 'bob')
        }
      })

      it('ends a session whose request was about to move it to another user', async () => {
        const id = await scene.signIn('alice')
        const { store, reached, release } = scene.stoppedBefore(theWrite)
        const switching = store.set(id, Object.assign(await load(store, id), { userId: 'bob' }))
        await reached
        await scene.store().destroyUser('alice')
        release()
        await switching
        await scene.store().userSessions('bob')
        await scene.expectGone(id)
      })

      it('does not affect the session and its index, if it revokes the user that the session is about to move to', async () => {
        const [id, old] = [await scene.signIn('alice'), await scene.signIn('bob')]
        const { store, reached, release } = scene.stoppedBefore(theWrite)
        const switching = store.set(id, Object.assign(await load(store, id), { userId: 'bob' }))
        await reached
        await scene.store().destroyUser('bob')
        release()
        await switching
        await scene.expectGone(old)
        await scene.expectSignedIn(id, 'bob')
      })

      it('keeps the excepted session, also while it is saved', async () => {
        const [mine, other] = [await scene.signIn('alice'), await scene.signIn('alice')]
        const { store, reached, release } = scene.stoppedBefore(theRemoval)
        const revoking = store.destroyUser('alice', { except: mine })
        await reached
        await scene.request(mine, { cart: 1 })
        release()
        expect(await revoking).to.equal(1)
        await scene.expectGone(other)
        await scene.expectSignedIn(mine, 'alice')
      })
    })

    describe('and regenerate', () => {
      it('racing the revocation makes a session with a new id, and the old one stays gone', async () => {
        const id = await scene.signIn('alice')
        const { store, reached, release } = scene.stoppedBefore(theRemoval)
        session({ store, secret: 'a secret of the tests', resave: false, saveUninitialized: false })
        const request = { sessionID: id, sessionStore: store } as unknown as Request & { originalUrl: string }
        Object.assign(request, { connection: {}, headers: {}, originalUrl: '/' })
        const old = store.createSession(request, (await store.get(id)) as never)
        const regenerated = new Promise<void>((resolve, reject) =>
          store.regenerate(request, (error) => (error ? reject(error) : resolve())),
        )
        await reached
        await scene.store().destroyUser('alice')
        release()
        await regenerated
        await store.set(request.sessionID, Object.assign(request.session, { userId: 'alice' }))
        await store.set(id, old)
        await scene.expectGone(id)
        expect(request.sessionID).not.to.equal(id)
        await scene.expectSignedIn(request.sessionID, 'alice')
      })
    })

    it('that a request makes and destroys without waiting for the save is gone', async () => {
      const [id, store] = [newId(), scene.store()]
      const saving = store.set(id, newSession({ userId: 'alice' }))
      await store.destroy(id)
      await saving
      await scene.expectGone(id)
    })

    it('that was written, and is revoked before its sign-in has ended, leaves no entry', async () => {
      for (const isListed of [false, true]) {
        const id = newId()
        const data = { userId: 'alice', expires: inMs(MINUTE) }
        if (isListed) await createSession({ ...scene.options, sessionId: id, data })
        if (isListed) await scene.expire(id)
        const { store, reached, release } = scene.stoppedAfter(theWrite)
        const signingIn = store.set(id, newSession({ userId: 'alice' }))
        await reached
        await scene.store().destroy(id)
        release()
        await signingIn
        await scene.expectGone(id)
      }
    })

    it('that createSession made again under the same id is the new one, also for a late updateUser', async () => {
      const id = newId()
      const data = { userId: 'alice', expires: inMs(MINUTE), cart: 'old' }
      await createSession({ ...scene.options, sessionId: id, data })
      const { options, reached, release } = scene.stoppedBefore(theRemoval)
      const deleting = deleteUserSessions({ ...options, userId: 'alice' })
      await reached
      await deleteSession({ ...scene.options, sessionId: id })
      await createSession({ ...scene.options, sessionId: id, data: { ...data, userId: 'bob' } })
      release()
      await deleting
      await scene.expectSignedIn(id, 'bob')
    })
  })
})
