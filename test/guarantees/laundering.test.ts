/**
 * "Sign out everywhere" while a request runs that calls `regenerate`. Saves of the session that the request loaded are
 * dropped. But `regenerate` makes a new session, and only the app knows its owner. docs/policies.md describes what apps
 * should do.
 */
import { expect } from 'chai'
import type { Request } from 'express'
import type { UserSessionStore } from '../../src/index.ts'
import { inflate, type LoadedSession, load, newId, onEveryStage } from '../support/scene.ts'
import { newSession } from '../support/sessions.ts'

describe('A request that regenerates its session while its user is signed out everywhere', () => {
  onEveryStage(
    (scene) => {
      /** The request that is under way. */
      async function begin(store: UserSessionStore) {
        const id = await scene.signIn('alice', { role: 'admin' })
        return { id, req: requestFor(store, id, await load(store, id)) }
      }

      const signOutEverywhere = () => scene.store().destroyUser('alice')

      async function sessionsLeft(): Promise<number> {
        return (await scene.store().userSessions('alice')).length
      }

      it('before it loads: it finds no session, and has nothing to copy', async () => {
        const { id } = await begin(scene.store())
        await signOutEverywhere()
        expect(await scene.store().get(id)).to.equal(null)
      })

      it('after it has saved the new session: that is revoked as well', async () => {
        const store = scene.store()
        const { req } = await begin(store)
        await regenerate(store, req)
        await copyInto(store, req)
        expect(await signOutEverywhere()).to.equal(1)
        await store.set(req.sessionID, req.session)
        expect(await sessionsLeft()).to.equal(0)
        await scene.expectGone(req.sessionID)
      })

      it('without regenerate: every save is dropped', async () => {
        const store = scene.store()
        const { id, req } = await begin(store)
        await signOutEverywhere()
        Object.assign(req.session, { cart: ['book'] })
        await store.set(id, req.session)
        await store.touch(id, req.session)
        await scene.expectGone(id)
      })

      it('between its load and regenerate: the copy is a new session', async () => {
        const store = scene.store()
        const { req } = await begin(store)
        await signOutEverywhere()
        await regenerate(store, req)
        await copyInto(store, req)
        expect(await sessionsLeft(), 'a store cannot tell it from a sign-in').to.equal(1)
      })

      it('between regenerate and the save of the new session: the copy is a new session', async () => {
        const store = scene.store()
        const { req } = await begin(store)
        await regenerate(store, req)
        expect(await signOutEverywhere()).to.equal(0)
        await copyInto(store, req)
        expect(await sessionsLeft(), 'a store cannot tell it from a sign-in').to.equal(1)
      })

      it('by the request itself, which stays signed in: the orders that launder are the ones that apps rely on', async () => {
        const store = scene.store()
        const { req } = await begin(store)
        const other = await scene.signIn('alice')
        await store.destroyUser('alice')
        await regenerate(store, req)
        await copyInto(store, req)
        expect((await scene.store().userSessions('alice')).map(({ sessionId }) => sessionId)).to.deep.equal([
          req.sessionID,
        ])
        await scene.expectGone(other)
      })

      describe('an app that asks its own record of the user', () => {
        /** In place of a row of the users' table: a sign-out everywhere raises the version. */
        class Users {
          version = 1
        }

        /** Copies the data, then looks at the row. A revocation changes the row first and the sessions second: one of the two sees the other. */
        async function keepSignedIn(store: UserSessionStore, req: FakeRequest, users: Users) {
          const { version } = req.session
          await regenerate(store, req)
          await copyInto(store, req, { version })
          if (version === users.version) return
          await store.destroy(req.sessionID)
        }

        async function revoke(users: Users) {
          users.version++
          await signOutEverywhere()
        }

        for (const when of ['before regenerate', 'before the save', 'after the save'] as const) {
          it(`keeps no user signed in who was signed out ${when}`, async () => {
            const users = new Users()
            const store = scene.store()
            const { req } = await begin(store)
            req.session.version = 1
            if (when === 'before regenerate') await revoke(users)
            const set = store.set.bind(store)
            store.set = (async (id: string, session: never) => {
              if (when === 'before the save') await revoke(users)
              await set(id, session)
              if (when === 'after the save') await revoke(users)
            }) as typeof store.set
            await keepSignedIn(store, req, users)
            expect(await sessionsLeft()).to.equal(0)
            expect(await scene.keys()).to.deep.equal([])
          })
        }

        it('keeps its user signed in if the user was not signed out', async () => {
          const store = scene.store()
          const { req } = await begin(store)
          req.session.version = 1
          await keepSignedIn(store, req, new Users())
          await scene.expectSignedIn(req.sessionID, 'alice')
        })
      })

      it('with `except` the request that signs the others out needs no copy', async () => {
        const store = scene.store()
        const { id } = await begin(store)
        await scene.signIn('alice')
        expect(await store.destroyUser('alice', { except: id })).to.equal(1)
        await scene.expectSignedIn(id, 'alice')
      })
    },
    ['server', 'cluster'],
  )
})

type FakeRequest = { sessionID: string; session: LoadedSession; sessionStore: UserSessionStore }

/** A request as express-session makes it, with all that `regenerate` needs. */
function requestFor(store: UserSessionStore, sessionID: string, session: LoadedSession): FakeRequest {
  const req = { sessionID, session, sessionStore: store }
  store.generate = ((request: FakeRequest) => {
    request.sessionID = newId()
    request.session = inflate(store, request.sessionID, newSession())
  }) as never
  return req
}

function regenerate(store: UserSessionStore, req: FakeRequest): Promise<void> {
  return new Promise((resolve, reject) => {
    store.regenerate(req as unknown as Request, (error) => (error ? reject(error) : resolve()))
  })
}

/** An app keeps its user signed in under the new id in this way. */
async function copyInto(store: UserSessionStore, req: FakeRequest, more: object = {}): Promise<void> {
  Object.assign(req.session, { userId: 'alice', role: 'admin', ...more })
  await store.set(req.sessionID, req.session)
}
