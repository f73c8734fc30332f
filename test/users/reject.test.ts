/**
 * maxUserSessions with onLimit 'reject': a sign-in beyond the limit fails, and the existing sessions stay as they are.
 */
import { expect } from 'chai'
import type { Request, Response } from 'express'
import { SessionLimitError, type UserSessionStore } from '../../src/index.ts'
import { appWith, browser, type Routes, sessionOf } from '../support/app.ts'
import { HOUR, rejection } from '../support/database.ts'
import { nextTurn } from '../support/heard.ts'
import { watch } from '../support/paused-client.ts'
import { load, newId, onEveryStage, theReservation, theWrite } from '../support/scene.ts'
import { cookie, type Fields, newSession } from '../support/sessions.ts'

const LIMIT = 3
const SIGN_INS = 100

/** A sign-in as the documentation shows it: a new session id, and the answer of the save. */
const routes: Routes = {
  '/sign-in': (req, res) => {
    const { user } = req.query
    req.session.regenerate(() => {
      sessionOf(req).userId = String(user)
      save(req, res)
    })
  },
  '/keep-id': (req, res) => {
    sessionOf(req).userId = String(req.query.user)
    save(req, res)
  },
  '/cart': (req, res) => {
    sessionOf(req).cart = ['tea']
    res.send('kept')
  },
  '/who': (req, res) => res.json({ user: sessionOf(req).userId ?? null, cart: sessionOf(req).cart ?? null }),
  '/sign-out': (req, res) => req.session.destroy(() => res.send('out')),
}

function save(req: Request, res: Response): void {
  req.session.save((error: (Error & { code?: string }) | undefined) => {
    if (!error) return void res.send('in')
    // The refused session must not be saved again at the end of the response.
    req.session.destroy(() => res.status(409).json({ code: error.code }))
  })
}

describe("maxUserSessions with onLimit 'reject'", () => {
  onEveryStage((scene) => {
    const rejecting = (limit: number | (() => number) = LIMIT) =>
      scene.store({ maxUserSessions: { limit, onLimit: 'reject' } })
    const appOf = (store: UserSessionStore) => appWith(store, routes, { cookie: { maxAge: HOUR } })
    const signInTo = (store: UserSessionStore, userId: string, fields: Fields = {}) => {
      const id = newId()
      return store.set(id, newSession({ userId, ...fields })).then(() => id)
    }
    const listed = async (userId: string) =>
      (await scene.store().userSessions(userId)).map(({ sessionId }) => sessionId)

    async function filled(userId = 'alice', limit = LIMIT): Promise<string[]> {
      const ids: string[] = []
      for (let n = 0; n < limit; n++) ids.push(await signInTo(rejecting(limit), userId))
      return ids
    }

    it(`of ${SIGN_INS} simultaneous sign-ins over HTTP as many succeed as the limit allows, in two processes`, async () => {
      const servers = [rejecting(), rejecting()].map((store) => appOf(store).listen(0, '127.0.0.1'))
      try {
        const answers = await Promise.all(
          Array.from({ length: SIGN_INS }, (_, n) =>
            browser(servers[n % 2] as never).get('/sign-in?user=alice'),
          ),
        )
        const refused = answers.filter(({ status }) => status === 409)
        expect(answers.filter(({ status }) => status === 200)).to.have.lengthOf(LIMIT)
        expect(refused).to.have.lengthOf(SIGN_INS - LIMIT)
        for (const { body } of refused) expect(body).to.deep.equal({ code: 'SESSION_LIMIT' })
        const ids = await listed('alice')
        expect(ids).to.have.lengthOf(LIMIT)
        // Nothing is left of those that were refused.
        expect(Object.keys(await scene.index('alice'))).to.have.members(ids)
        expect(await scene.keys()).to.have.members([
          scene.indexKey('alice'),
          ...ids.map((id) => scene.sessionKey(id)),
        ])
      } finally {
        for (const server of servers) server.close()
      }
    })

    it('the error names user and limit, and nothing is written', async () => {
      const ids = await filled()
      const before = await scene.index('alice')
      const error = await rejection(signInTo(rejecting(), 'alice'))
      expect(error).to.be.instanceOf(SessionLimitError)
      expect(error).to.include({ code: 'SESSION_LIMIT', userId: 'alice', limit: LIMIT })
      expect(await scene.index('alice')).to.deep.equal(before)
      expect(await scene.keys()).to.have.lengthOf(1 + ids.length)
    })

    it('a sign-in beyond the limit is tried once, if no session has ended', async () => {
      await filled()
      const { client, calls } = watch(scene.client)
      const store = scene.store({
        client: client as never,
        maxUserSessions: { limit: LIMIT, onLimit: 'reject' },
      })
      await rejection(signInTo(store, 'alice'))
      const tries = calls.filter((call) => theWrite(call) || theReservation(call))
      expect(tries).to.have.lengthOf(1)
    })

    it('another user is not concerned', async () => {
      await filled()
      const id = await signInTo(rejecting(), 'bob')
      await scene.expectSignedIn(id, 'bob')
    })

    it('a signed-in user continues at the limit: saves, touches and updates are not sign-ins', async () => {
      const [id] = (await filled()) as [string]
      const store = rejecting()
      const session = await load(store, id)
      await store.touch(id, session.touch())
      await store.set(id, Object.assign(session, { cart: ['tea'] }))
      session.cookie.maxAge = 9 * HOUR
      await store.touch(id, session)
      expect(await store.updateUser('alice', { role: 'admin' } as never)).to.equal(LIMIT)
      expect(await scene.record(id)).to.deep.include({ cart: ['tea'], role: 'admin' })
      await scene.expectSignedIn(id, 'alice')
    })

    it('signing out makes room for one more, and no more', async () => {
      const [first] = (await filled()) as [string]
      await rejecting().destroy(first)
      await signInTo(rejecting(), 'alice')
      expect(await rejection(signInTo(rejecting(), 'alice'))).to.be.instanceOf(SessionLimitError)
    })

    it('sessions that have expired do not count, though the index still lists them', async () => {
      for (const id of await filled()) await scene.expire(id)
      expect(Object.keys(await scene.index('alice'))).to.have.lengthOf(LIMIT)
      const id = await signInTo(rejecting(), 'alice')
      expect(await listed('alice')).to.deep.equal([id])
    })

    it('a new session that was refused once is created like any other when there is room', async () => {
      await filled()
      const store = rejecting()
      const created: unknown[] = []
      store.on('created', ({ sessionId }) => created.push(sessionId))
      const [id, session] = [newId(), newSession({ userId: 'alice' })]
      expect(await rejection(store.set(id, session))).to.be.instanceOf(SessionLimitError)
      await store.destroyUser('alice')
      await store.set(id, session)
      await nextTurn()
      expect(created).to.deep.equal([id])
    })

    it('a refused sign-in counts as not written: a later save of the same change wins', async () => {
      await filled()
      const id = await scene.signIn(undefined, { views: 0 })
      const store = rejecting()
      const session = await load(store, id)
      Object.assign(session, { views: 1, userId: 'alice' })
      expect(await rejection(store.set(id, session))).to.be.instanceOf(SessionLimitError)
      const other = scene.store()
      await other.set(id, Object.assign(await load(other, id), { views: 2 }))
      delete (session as Fields).userId
      await store.set(id, session)
      expect(await scene.record(id)).to.include({ views: 1 })
    })

    it('a refused sign-in of an anonymous session leaves it anonymous, with its data', async () => {
      const [first] = (await filled()) as [string]
      const id = await scene.signIn(undefined, { cart: ['tea'] })
      const store = rejecting()
      const session = await load(store, id)
      const before = await scene.client.get(scene.sessionKey(id))
      const error = await rejection(store.set(id, Object.assign(session, { userId: 'alice' })))
      expect(error).to.be.instanceOf(SessionLimitError)
      expect(await scene.client.get(scene.sessionKey(id))).to.equal(before)
      expect(Object.keys(await scene.index('alice'))).to.have.lengthOf(LIMIT)
      // The same object may try again when there is room.
      await rejecting().destroy(first)
      await store.set(id, session)
      await scene.expectSignedIn(id, 'alice')
    })

    it('a session that would move to another user at the limit stays with its owner', async () => {
      await filled('bob')
      const id = await signInTo(rejecting(), 'alice')
      const store = rejecting()
      const session = await load(store, id)
      const error = await rejection(store.set(id, Object.assign(session, { userId: 'bob' })))
      expect(error).to.be.instanceOf(SessionLimitError)
      await scene.expectSignedIn(id, 'alice')
    })

    it('a sign-in over a session of the same user under the same id is none more', async () => {
      const [id] = (await filled()) as [string]
      await rejecting().set(id, newSession({ userId: 'alice', again: true }, cookie(2 * HOUR)))
      expect(await scene.record(id)).to.include({ again: true })
      expect(await listed('alice')).to.have.lengthOf(LIMIT)
    })

    it('a lower limit refuses sign-ins, and signs no user out', async () => {
      await filled()
      expect(await rejection(signInTo(rejecting(1), 'alice'))).to.include({ limit: 1 })
      expect(await listed('alice')).to.have.lengthOf(LIMIT)
    })

    it('the limit may be a function of the session', async () => {
      await filled()
      const limit = (session: object) => ((session as Fields).paid ? LIMIT + 1 : LIMIT)
      const store = scene.store({ maxUserSessions: { limit, onLimit: 'reject' } })
      expect(await rejection(signInTo(store, 'alice'))).to.be.instanceOf(SessionLimitError)
      await signInTo(store, 'alice', { paid: true })
      expect(await listed('alice')).to.have.lengthOf(LIMIT + 1)
    })

    it('over HTTP: refused, signed out elsewhere, and let in', async () => {
      const app = appOf(rejecting(1))
      const [first, second] = [browser(app), browser(app)]
      await first.get('/sign-in?user=alice').expect('in')
      await second.get('/cart').expect('kept')
      await second.get('/keep-id?user=alice').expect(409)
      await second.get('/who').expect({ user: null, cart: null })
      await first.get('/cart').expect('kept')
      await first.get('/who').expect({ user: 'alice', cart: ['tea'] })
      await first.get('/sign-out').expect('out')
      await second.get('/sign-in?user=alice').expect('in')
      await second.get('/who').expect({ user: 'alice', cart: null })
    })
  })
})
