/** The events of a store, and `onRevoked` and `checkRevoked` within one process. */
import { expect } from 'chai'
import { deleteSession, type UserSessionStore } from '../../src/index.ts'
import { handleOf } from '../../src/session/handle.ts'
import { appWith, browser, sessionOf } from '../support/app.ts'
import { HOUR, rejection, useDatabase } from '../support/database.ts'
import { heard, nextTurn } from '../support/heard.ts'
import { pauseAfter, runs, watch } from '../support/paused-client.ts'
import { load, newId, onEveryStage } from '../support/scene.ts'
import { removeScript } from '../support/scripts.ts'
import { cookie, newSession } from '../support/sessions.ts'

describe('The events of a store', () => {
  onEveryStage(
    (scene) => {
      it('created and destroyed, with handle, user and reason', async () => {
        const store = scene.store({ maxUserSessions: 2 })
        const told: unknown[] = []
        store.on('created', (event) => told.push(event))
        store.on('destroyed', (event) => told.push(event))
        const [a, b, c, d, e] = [newId(), newId(), newId(), newId(), newId()]
        const alices = (id: string, maxAge: number) =>
          store.set(id, newSession({ userId: 'alice' }, cookie(maxAge)))
        await alices(a, HOUR)
        await alices(b, 2 * HOUR)
        await alices(c, 3 * HOUR)
        await store.set(d, newSession({ cart: [] }))
        await store.destroy(b)
        await store.destroyUserSession('alice', handleOf(c))
        await store.destroy(d)
        await store.set(e, newSession({ userId: 7 }))
        await store.destroyUser(7)
        await alices(a, HOUR)
        await store.clear()
        await store.destroy(a)
        await nextTurn()
        const created = (id: string, userId: string | null) => ({
          sessionId: id,
          handle: handleOf(id),
          userId,
        })
        const destroyed = (id: string, userId: string | null, reason: string) => ({
          handle: handleOf(id),
          userId,
          reason,
        })
        expect(told).to.deep.equal([
          created(a, 'alice'),
          created(b, 'alice'),
          created(c, 'alice'),
          destroyed(a, 'alice', 'limit'),
          created(d, null),
          destroyed(b, 'alice', 'logout'),
          destroyed(c, 'alice', 'revoked'),
          destroyed(d, null, 'logout'),
          created(e, '7'),
          destroyed(e, '7', 'revoked'),
          created(a, 'alice'),
          destroyed(a, 'alice', 'revoked'),
        ])
      })

      it('created is emitted once, and not again when a user signs in to the session', async () => {
        const [id, store] = [newId(), scene.store()]
        const told: unknown[] = []
        store.on('created', ({ userId }) => told.push(userId))
        await store.set(id, newSession({ cart: [] }))
        await store.set(id, Object.assign(await load(store, id), { userId: 'alice' }))
        await scene.expectSignedIn(id, 'alice')
        await nextTurn()
        expect(told).to.deep.equal([null])
      })

      it('created is heard by a listener that was added right after the save', async () => {
        const [store, told] = [scene.store(), [] as unknown[]]
        const saved = store.set(newId(), newSession({ userId: 'alice' }))
        await saved
        store.on('created', ({ userId }) => told.push(userId))
        await nextTurn()
        expect(told).to.deep.equal(['alice'])
      })

      it('of a session that had already expired when it was saved, none', async () => {
        const store = scene.store()
        const told: unknown[] = []
        store.on('created', (event) => told.push(event))
        await store.set(newId(), newSession({ userId: 'alice' }, cookie(-1000)))
        await nextTurn()
        expect(told).to.deep.equal([])
      })

      it('onRevoked calls its listener once, and only for its session', async () => {
        const store = scene.store()
        const [mine, other] = [await scene.signIn('alice'), await scene.signIn('alice')]
        const [first, second] = [heard(), heard()]
        store.onRevoked(mine, first.listener)
        store.onRevoked(mine, first.listener)
        store.onRevoked(other, second.listener)
        await store.destroy(mine)
        await store.set(mine, newSession({ userId: 'alice' }))
        await store.destroy(mine)
        await nextTurn()
        const event = { handle: handleOf(mine), userId: 'alice', reason: 'logout' }
        expect(first.events).to.deep.equal([event, event])
        expect(second.events).to.deep.equal([])
      })

      it('onRevoked returns a function that removes this listener only', async () => {
        const store = scene.store()
        const id = await scene.signIn('alice')
        const [kept, taken] = [heard(), heard()]
        store.onRevoked(id, kept.listener)
        const takeBack = store.onRevoked(id, taken.listener)
        takeBack()
        takeBack()
        await store.destroyUser('alice')
        await nextTurn()
        expect(kept.events).to.have.lengthOf(1)
        expect(taken.events).to.deep.equal([])
        takeBack()
      })

      it('a listener that is taken back is not called any more, not even by a revocation that is done', async () => {
        const store = scene.store()
        const id = await scene.signIn('alice')
        const [early, late] = [heard(), heard()]
        store.onRevoked(id, () => takeLateBack())
        const takeEarlyBack = store.onRevoked(id, early.listener)
        const takeLateBack = store.onRevoked(id, late.listener)
        store.once('destroyed', takeEarlyBack)
        await store.destroy(id)
        await nextTurn()
        expect([early.events, late.events]).to.deep.equal([[], []])
      })

      it('checkRevoked finds sessions that are gone for any reason, in one round trip', async () => {
        const { client, calls } = watch(scene.client)
        const store = scene.store({ client })
        const ids = await Promise.all([1, 2, 3, 4].map(() => scene.signIn('alice')))
        const listeners = ids.map((id) => {
          const listener = heard()
          store.onRevoked(id, listener.listener)
          return listener
        })
        expect(await store.checkRevoked()).to.equal(0)
        await deleteSession({ ...scene.options, sessionId: ids[0] as string })
        await scene.expire(ids[1] as string)
        await scene.store().destroy(ids[2] as string)
        const before = calls.length
        expect(await store.checkRevoked()).to.equal(3)
        expect(calls.length - before).to.equal(scene.topology.name === 'cluster' ? 4 : 1)
        await nextTurn()
        expect(listeners.map(({ events }) => events.map(({ reason }) => reason))).to.deep.equal([
          ['missed'],
          ['missed'],
          ['missed'],
          [],
        ])
        expect(await store.checkRevoked()).to.equal(0)
      })

      it('checkRevoked does not report a session as gone if Redis cannot be asked', async () => {
        const id = await scene.signIn('alice')
        const failing = Object.assign(Object.create(scene.client), {
          evalSha: () => Promise.reject(new Error('LOADING')),
        })
        const store = scene.store({ client: failing })
        const { events, listener } = heard()
        store.onRevoked(id, listener)
        expect((await rejection(store.checkRevoked())).message).to.equal('LOADING')
        await nextTurn()
        expect(events).to.deep.equal([])
      })

      it('a corrupt session, or a key of another type, is not gone', async () => {
        const [corrupt, foreign] = [await scene.signIn('alice'), await scene.signIn('alice')]
        const store = scene.store()
        const { events, listener } = heard()
        for (const id of [corrupt, foreign]) store.onRevoked(id, listener)
        await scene.client.set(scene.sessionKey(corrupt), '{')
        await scene.client.del(scene.sessionKey(foreign))
        await scene.client.lPush(scene.sessionKey(foreign), 'x')
        await store.checkRevoked()
        await store.destroyUser('alice')
        await nextTurn()
        expect(events.map(({ reason }) => reason)).to.deep.equal(['revoked', 'revoked'])
      })

      it('a session that a check finds gone while it is being destroyed is told of once', async () => {
        for (const { admin } of await scene.topology.masters()) await admin.scriptLoad(removeScript.source)
        const { client, reached, release } = pauseAfter(scene.client, runs(removeScript))
        const store = scene.store({ client })
        const id = await scene.signIn('alice')
        const [told, emitted] = [heard(), heard()]
        store.onRevoked(id, told.listener)
        store.on('destroyed', emitted.listener)
        const destroying = store.destroy(id)
        await reached
        expect(await store.checkRevoked()).to.equal(1)
        release()
        await destroying
        await nextTurn()
        const event = { handle: handleOf(id), userId: null, reason: 'missed' }
        expect([told.events, emitted.events]).to.deep.equal([[event], [event]])
      })

      it('a session that was revoked between its load and onRevoked is told as well', async () => {
        const store = scene.store()
        const id = await scene.signIn('alice')
        await load(store, id)
        await store.destroyUser('alice')
        const { events, listener, once } = heard()
        store.onRevoked(id, listener)
        await once()
        expect(events).to.have.lengthOf(1)
      })

      it('a session that is made again after that is told of like any other', async () => {
        const store = scene.store()
        const ends = [() => deleteSession({ ...scene.options, sessionId: 's1' }), () => store.destroy('s1')]
        for (const end of ends) {
          await scene.signIn('alice', {}, 's1')
          await end()
          const missed = heard()
          store.onRevoked('s1', missed.listener)
          await missed.once()
          await scene.signIn('alice', {}, 's1')
          const emitted = heard()
          store.once('destroyed', emitted.listener)
          await store.destroy('s1')
          await nextTurn()
          expect(emitted.events.map(({ reason }) => reason)).to.deep.equal(['logout'])
        }
      })

      it('refuses invalid session ids and listeners', async () => {
        const store = scene.store()
        expect(() => store.onRevoked('', () => {})).to.throw(TypeError, 'sessionId')
        expect(() => store.onRevoked('x', undefined as never)).to.throw(TypeError, 'listener')
      })
    },
    ['server', 'cluster'],
  )
})

describe('A listener that throws', () => {
  const db = useDatabase()

  it('fails as any event does, and neither the request that destroyed nor the other listeners', async () => {
    const store = db.store()
    const site = appWith(store, {
      '/sign-in': (req, res) => {
        sessionOf(req).userId = 'alice'
        res.send(req.sessionID)
      },
      '/sign-out': (req, res) => req.session.destroy((error) => res.send(error ? 'failed' : 'out')),
    })
    const device = browser(site)
    const id = (await device.get('/sign-in')).text
    const last = heard()
    const fail = (where: string) => () => {
      throw new Error(where)
    }
    store.onRevoked(id, fail('in onRevoked'))
    store.onRevoked(id, last.listener)
    store.on('destroyed', fail('in destroyed'))
    const thrown = await uncaught(2, () => device.get('/sign-out').expect('out'))
    expect(thrown).to.have.members(['in onRevoked', 'in destroyed'])
    expect(last.events).to.have.lengthOf(1)
    expect(await db.raw(id)).to.equal(null)
  })

  /** Collects the errors that would reach the process, instead of Mocha. */
  async function uncaught(count: number, work: () => PromiseLike<unknown>): Promise<string[]> {
    const listeners = process.rawListeners('uncaughtException') as (() => void)[]
    process.removeAllListeners('uncaughtException')
    const messages: string[] = []
    process.on('uncaughtException', ({ message }) => messages.push(message))
    try {
      await work()
      while (messages.length < count) await nextTurn()
      return messages
    } finally {
      process.removeAllListeners('uncaughtException')
      for (const listener of listeners) process.on('uncaughtException', listener)
    }
  }
})

describe('The types of the events', () => {
  it('are different for each event', () => {
    const listen = (store: UserSessionStore) => {
      store.on('created', ({ sessionId, userId }) => [sessionId.length, userId?.length])
      store.once('destroyed', ({ handle, reason }) => [handle.length, reason === 'limit'])
      // @ts-expect-error a destroyed event has no session id
      store.on('destroyed', ({ sessionId }) => sessionId)
      // @ts-expect-error there is no such reason
      store.on('destroyed', ({ reason }) => reason === 'bored')
      store.on('failed', ({ method }) => method.length)
      // @ts-expect-error it may be anything
      store.on('failed', ({ error }) => error.message)
      store.on('subscriberError', (error) => {
        // @ts-expect-error it may be anything
        error.message
      })
    }
    expect(listen).to.be.a('function')
  })
})
