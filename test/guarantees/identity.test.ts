/** Which session an object belongs to, after a reused id, a save without an answer, a proxy, a copy. */
import { expect } from 'chai'
import type { Request } from 'express'
import {
  createSession,
  deleteSession,
  type UserSessionStore,
  type UserSessionStoreOptions,
  updateSession,
} from '../../src/index.ts'
import { appWith, browser, sessionIdIn, sessionOf } from '../support/app.ts'
import { nextMillisecond } from '../support/clock.ts'
import { HOUR, inMs, MINUTE, rejection, useDatabase } from '../support/database.ts'
import { nextTurn } from '../support/heard.ts'
import { expectListed } from '../support/listed.ts'
import { type Call, failAfter, failBefore, pauseAfter, pauseBefore } from '../support/paused-client.ts'
import { type LoadedSession, load, newId, nth, onEveryStage, theRemoval, theWrite } from '../support/scene.ts'
import { writeScript } from '../support/scripts.ts'
import { cookie, type Fields, fields, newSession, usedCookie } from '../support/sessions.ts'

/** The ways in which an app names the owner. The record of the third way needs `index.user`. */
const shapes: Record<string, { options: Partial<UserSessionStoreOptions>; of: (user: string) => Fields }> = {
  'with userId': { options: {}, of: (user) => ({ userId: user }) },
  'of Passport': { options: {}, of: (user) => ({ passport: { user } }) },
  'of a userId option': {
    options: { userId: (data) => fields(data).account as string },
    of: (user) => ({ account: user }),
  },
}

describe('Guarantee 3, owned: a session id that is used again', () => {
  onEveryStage(
    (scene) => {
      for (const [shape, { options, of }] of Object.entries(shapes)) {
        /** Late calls of a request that loaded alice's session, before bob got a session with the same id. */
        const late: Record<string, (store: UserSessionStore, session: LoadedSession) => Promise<unknown>> = {
          'a save': (store, session) => store.set('kiosk', Object.assign(session, { cart: ['of alice'] })),
          'a save of what she did not change': (store, session) => store.set('kiosk', session),
          'a touch': (store, session) => store.touch('kiosk', session.touch()),
          'a touch of another maxAge': (store, session) => {
            session.cookie.maxAge = 99 * HOUR
            return store.touch('kiosk', session)
          },
          'a sign-out': (store, session) => {
            for (const name of ['userId', 'passport', 'account']) Reflect.deleteProperty(session, name)
            return store.set('kiosk', Object.assign(session, { bye: true }))
          },
          'two saves at once': (store, session) =>
            Promise.all([
              store.set('kiosk', Object.assign(session, { cart: ['of alice'] })),
              store.set('kiosk', Object.assign(session, { token: 'of alice' })),
            ]),
        }

        for (const [name, doLate] of Object.entries(late)) {
          it(`${shape}: ${name} changes nothing of the new one`, async () => {
            const store = scene.store(options)
            await store.set('kiosk', newSession(of('alice'), usedCookie(MINUTE)))
            const session = await load(store, 'kiosk')
            await scene.store(options).destroy('kiosk')
            await scene.store(options).set('kiosk', newSession(of('bob'), cookie(2 * HOUR)))
            const before = [await scene.client.get(scene.sessionKey('kiosk')), await scene.expiry('kiosk')]
            await doLate(store, session)
            expect([
              await scene.client.get(scene.sessionKey('kiosk')),
              await scene.expiry('kiosk'),
            ]).to.deep.equal(before)
            await scene.expectListed('kiosk', 'bob')
            // On Cluster an attempt to move the entry may have left one, until the next listing.
            expect(await scene.store(options).userSessions('alice')).to.deep.equal([])
            expect(await scene.index('alice')).to.deep.equal({})
          })
        }

        it(`${shape}: a merge that is under way leaves the new one alone`, async () => {
          await scene.store(options).set('kiosk', newSession(of('alice')))
          const { client, reached, release } = pauseAfter(scene.client, theWrite)
          const store = scene.store({ ...options, client })
          const session = await load(store, 'kiosk')
          // Makes the late save merge: its first attempt finds another record.
          const other = scene.store(options)
          await other.set('kiosk', Object.assign(await load(other, 'kiosk'), { other: true }))
          const saving = store.set('kiosk', Object.assign(session, { cart: ['of alice'] }))
          await reached
          await scene.store(options).destroy('kiosk')
          await scene.store(options).set('kiosk', newSession(of('bob')))
          const before = await scene.client.get(scene.sessionKey('kiosk'))
          release()
          await saving
          expect(await scene.client.get(scene.sessionKey('kiosk'))).to.equal(before)
          await scene.expectListed('kiosk', 'bob')
        })
      }

      it('by the functions: a late save of the store changes nothing of the new session', async () => {
        const data = (userId: string) => ({ userId, expires: inMs(HOUR) })
        await createSession({ ...scene.options, sessionId: 'kiosk', data: data('alice') })
        const store = scene.store()
        const session = await load(store, 'kiosk')
        await deleteSession({ ...scene.options, sessionId: 'kiosk' })
        await createSession({ ...scene.options, sessionId: 'kiosk', data: data('bob') })
        const before = await scene.record('kiosk')
        await store.set('kiosk', Object.assign(session, { cart: ['of alice'] }))
        await store.touch('kiosk', session)
        expect(await scene.record('kiosk')).to.deep.equal(before)
      })

      const destroys: Record<string, (store: UserSessionStore) => Promise<unknown>> = {
        destroy: (store) => store.destroy('kiosk'),
        destroyUser: (store) => store.destroyUser('alice'),
        destroyUserSession: (store) => store.destroyUserSession('alice', 'kiosk'),
        deleteSession: () => deleteSession({ ...scene.options, sessionId: 'kiosk' }),
        clear: (store) => store.clear(),
      }
      const creates: Record<string, () => Promise<unknown>> = {
        'the store': () => scene.store().set('kiosk', newSession({ userId: 'alice' })),
        'the store, without a user': () => scene.store().set('kiosk', newSession()),
        createSession: () =>
          createSession({
            ...scene.options,
            sessionId: 'kiosk',
            data: { userId: 'alice', expires: inMs(HOUR) },
          }),
      }
      for (const [destroyed, destroy] of Object.entries(destroys)) {
        for (const [created, create] of Object.entries(creates)) {
          it(`destroyed by ${destroyed} and made by ${created} in the same process: late saves and touches change nothing, also of the same user`, async () => {
            const store = scene.store({ touchInterval: 0 })
            const made = newSession({ userId: 'alice' })
            await store.set('kiosk', made)
            const [saved, touched] = [await load(store, 'kiosk'), await load(store, 'kiosk')]
            await destroy(scene.store())
            await create()
            const [before, expiry] = [await scene.record('kiosk'), await scene.expiry('kiosk')]
            await nextMillisecond()
            await store.touch('kiosk', saved.touch())
            await store.set('kiosk', Object.assign(made, { cart: ['old'] }))
            await store.set('kiosk', Object.assign(saved, { cart: ['old'] }))
            touched.cookie.maxAge = MINUTE
            await store.touch('kiosk', touched)
            expect(await scene.record('kiosk')).to.deep.equal(before)
            expect(await scene.expiry('kiosk')).to.equal(expiry)
          })
        }
      }

      it('a destroy whose answer was lost, and which is repeated, keeps late saves off too', async () => {
        const { client } = failAfter(scene.client, theRemoval, new Error('Socket closed unexpectedly'))
        const store = scene.store({ client: client as never })
        await store.set('kiosk', newSession({ userId: 'alice' }))
        const late = await load(store, 'kiosk')
        await rejection(store.destroy('kiosk'))
        await store.destroy('kiosk')
        await scene.store().set('kiosk', newSession({ userId: 'alice' }))
        await store.set('kiosk', Object.assign(late, { cart: ['old'] }))
        expect(await scene.record('kiosk')).to.not.have.property('cart')
      })

      it('a new session that is loaded before the reply of the revocation saves as ever', async () => {
        const { store, reached, release } = scene.stoppedAfter(theRemoval)
        await store.set('kiosk', newSession({ userId: 'alice' }))
        const revoked = store.destroyUserSession('alice', 'kiosk')
        await reached
        await scene.store().set('kiosk', newSession({ userId: 'alice' }))
        const session = await load(store, 'kiosk')
        release()
        await revoked
        await store.set('kiosk', Object.assign(session, { cart: ['tea'] }))
        expect(await scene.record('kiosk')).to.deep.include({ cart: ['tea'] })
      })

      it('the objects of the new session save as ever', async () => {
        const store = scene.store()
        await store.set('kiosk', newSession({ userId: 'alice' }))
        await store.destroy('kiosk')
        const made = newSession({ userId: 'alice' })
        await store.set('kiosk', made)
        await store.set('kiosk', Object.assign(made, { cart: ['tea'] }))
        await store.set('kiosk', Object.assign(await load(store, 'kiosk'), { seen: true }))
        const [listed] = await store.userSessions('alice')
        await store.set('kiosk', Object.assign(listed?.data as object, { listed: true }) as never)
        expect(await scene.record('kiosk')).to.deep.include({ cart: ['tea'], seen: true, listed: true })
        await scene.expectSignedIn('kiosk', 'alice')
      })

      it('a late save of an anonymous session does not change the session of the user who got its id, and adds no user', async () => {
        const store = scene.store()
        await store.set('kiosk', newSession({ cart: ['tea'] }))
        const session = await load(store, 'kiosk')
        await scene.store().destroy('kiosk')
        await scene.store().set('kiosk', newSession({ userId: 'bob' }))
        await store.set('kiosk', Object.assign(session, { seen: true }))
        await scene.expectSignedIn('kiosk', 'bob')
      })
    },
    ['server', 'cluster'],
  )
})

describe('Guarantee 5, nothing lost: a save that is repeated after its answer was lost', () => {
  const lost = new Error('Socket closed unexpectedly')

  onEveryStage(
    (scene) => {
      /** A store that loses the answer of its first write: Redis has done it, or never got it. */
      function losing(how: typeof failAfter | typeof failBefore) {
        const { client } = how(scene.client, theWrite, lost)
        return scene.store({ client })
      }

      /** A create whose first answer is lost. It is repeated with a cart, and waits before its second write. */
      async function repeating(how: typeof failAfter | typeof failBefore, sessionId: string, data: Fields) {
        const { client: failing, calls } = how(scene.client, theWrite, lost)
        const { client, reached, release } = pauseBefore(failing, nth(2, theWrite))
        const store = scene.store({ client: client as never })
        const mine = newSession(data)
        expect(await rejection(store.set(sessionId, mine))).to.equal(lost)
        const repeated = store.set(sessionId, Object.assign(mine, { cart: ['tea'] }))
        await reached
        return { store, calls, repeated, release }
      }

      /**
       * On Cluster a lost answer may leave an entry until the next listing. It may also leave a mark on an entry, which
       * is a fraction of a ms.
       */
      async function expectSignedIn(sessionId: string, userId: string) {
        if (scene.topology.name !== 'cluster') return scene.expectSignedIn(sessionId, userId)
        const listed = await scene.store().userSessions(userId)
        expect(listed.map((each) => each.sessionId)).to.deep.equal([sessionId])
        const { cookie } = await scene.record(sessionId)
        const score = (await scene.index(userId))[sessionId] as number
        expect(Math.floor(score)).to.equal((cookie.index as Fields).until)
      }

      for (const [name, how] of [
        ['was done', failAfter],
        ['was not done', failBefore],
      ] as const) {
        for (const userId of ['alice', undefined]) {
          const who = userId ? 'signed in' : 'anonymous'

          it(`a create that ${name}, ${who}: it is there once, and a change in between stays`, async () => {
            const store = losing(how)
            const mine = fields(newSession({ userId, role: 'admin', cart: ['tea'] }))
            expect(await rejection(store.set('s1', mine))).to.equal(lost)
            const isThere = await scene.lives('s1')
            expect(isThere).to.equal(how === failAfter)
            if (isThere) await scene.request('s1', { role: 'guest', theirs: true })
            await store.set('s1', mine)
            expect(await scene.record('s1')).to.deep.include({
              role: isThere ? 'guest' : 'admin',
              cart: ['tea'],
            })
            if (isThere) expect(await scene.record('s1')).to.include({ theirs: true })
            await store.set('s1', Object.assign(mine, { cart: ['tea', 'milk'] }))
            expect(await scene.record('s1')).to.deep.include({
              role: isThere ? 'guest' : 'admin',
              cart: ['tea', 'milk'],
            })
            if (!userId) return
            await expectSignedIn('s1', userId)
          })

          it(`a save that ${name}, ${who}: saved again, it keeps all changes that were made in between`, async () => {
            await scene.store().set('s1', newSession({ userId, role: 'admin', n: 1 }))
            const store = losing(how)
            const mine = await load(store, 's1')
            Object.assign(mine, { n: 2, mine: true })
            expect(await rejection(store.set('s1', mine))).to.equal(lost)
            await scene.request('s1', { role: 'guest', ...(how === failAfter ? { n: 3 } : {}) })
            await store.set('s1', Object.assign(mine, { more: true }))
            expect(await scene.record('s1')).to.include({
              ...{ role: 'guest', mine: true, more: true, n: how === failAfter ? 3 : 2 },
            })
            if (!userId) return
            await expectSignedIn('s1', userId)
          })

          it(`a create that ${name}, ${who}: a touch after a revocation makes none`, async () => {
            const store = losing(how)
            const mine = newSession({ userId })
            expect(await rejection(store.set('s1', mine))).to.equal(lost)
            await scene.store().destroy('s1')
            await store.touch('s1', mine)
            expect(await scene.lives('s1'), 'the session lives').to.equal(false)
          })
        }

        it(`a sign-out that ${name}: saved again, it stays signed out`, async () => {
          await scene.signIn('alice', {}, 's1')
          const store = losing(how)
          const mine = await load(store, 's1')
          delete (mine as Fields).userId
          expect(await rejection(store.set('s1', mine))).to.equal(lost)
          await store.set('s1', mine)
          expect(await scene.record('s1')).to.not.have.property('userId')
          expect(await scene.store().userSessions('alice')).to.deep.equal([])
          expect(await scene.index('alice')).to.deep.equal({})
        })

        for (const [from, data] of [
          ['anonymous', {}],
          ['another user', { userId: 'bob' }],
          ['nobody', null],
        ] as const) {
          it(`a sign-in of ${from} that ${name}: saved again, it is told once, and keeps to the limit`, async () => {
            const told: (string | null)[] = []
            await scene.signIn('alice', {}, 's0')
            if (data) await scene.store().set('s1', newSession({ ...data }))
            const { client } = how(scene.client, theWrite, lost)
            const store = scene.store({ client: client as never, maxUserSessions: 1 })
            store.on('created', ({ userId }) => told.push(userId))
            const mine = data ? await load(store, 's1') : fields(newSession())
            Object.assign(mine, { userId: 'alice' })
            expect(await rejection(store.set('s1', mine))).to.equal(lost)
            await store.set('s1', Object.assign(mine, { cart: ['tea'] }))
            expect(await scene.record('s1')).to.deep.include({ userId: 'alice', cart: ['tea'] })
            const listed = await scene.store().userSessions('alice')
            expect(listed.map(({ sessionId }) => sessionId)).to.deep.equal(['s1'])
            await nextTurn()
            expect(told).to.deep.equal(data ? [] : ['alice'])
          })
        }

        it(`a sign-in that ${name}, over a session that was there: it is listed once`, async () => {
          await scene.signIn(undefined, { cart: ['tea'] }, 's1')
          const store = losing(how)
          const mine = await load(store, 's1')
          Object.assign(mine, { userId: 'alice' })
          expect(await rejection(store.set('s1', mine))).to.equal(lost)
          await store.set('s1', mine)
          await expectSignedIn('s1', 'alice')
          expect(await scene.record('s1')).to.deep.include({ cart: ['tea'] })
        })
      }

      it('when the session was destroyed in between, it stays destroyed', async () => {
        for (const data of [{ userId: 'alice' }, {}]) {
          const [id, store] = [newId(), losing(failAfter)]
          const made = newSession(data)
          expect(await rejection(store.set(id, made))).to.equal(lost)
          await store.destroy(id)
          await store.set(id, made)
          await store.set(id, Object.assign(made, { again: true }))
          expect(await scene.lives(id)).to.equal(false)
        }
      })

      it('when the first write comes late, and is changed before the second, that change stays', async () => {
        for (const userId of ['alice', undefined]) {
          const id = newId()
          const { calls, repeated, release } = await repeating(failBefore, id, { userId, role: 'admin' })
          const { command, args } = calls.find(theWrite) as Call
          if (command === 'set') await scene.client.set(...(args as [string, string, object]))
          else await scene.client.eval(writeScript.source, args[1] as never)
          await updateSession({ ...scene.options, sessionId: id, data: { role: 'guest', theirs: 1 } })
          release()
          await repeated
          expect(await scene.record(id)).to.deep.include({ role: 'guest', theirs: 1, cart: ['tea'] })
        }
      })

      it('when the session is revoked during the second write, it stays revoked', async () => {
        const revoke = [
          () => scene.store().destroyUser('alice'),
          (store: UserSessionStore) => store.destroyUser('alice'),
          (store: UserSessionStore, id: string) => store.destroyUserSession('alice', id),
        ]
        for (const end of revoke) {
          const id = newId()
          const { store, repeated, release } = await repeating(failAfter, id, { userId: 'alice' })
          await end(store, id)
          release()
          await repeated
          expect(await scene.lives(id)).to.equal(false)
        }
      })

      it('when a removal’s answer comes after the second create, later saves are kept', async () => {
        const failing = failAfter(scene.client, theWrite, lost)
        const { client, reached, release } = pauseAfter(failing.client, theRemoval)
        const store = scene.store({ client: client as never })
        const mine = newSession({ userId: 'alice' })
        expect(await rejection(store.set('s1', mine))).to.equal(lost)
        const removing = store.destroyUserSession('alice', 's1')
        await reached
        await store.set('s1', mine)
        release()
        await removing
        await store.set('s1', Object.assign(mine, { cart: ['tea'] }))
        expect(await scene.record('s1')).to.deep.include({ cart: ['tea'] })
      })

      it('over a corrupt record, it replaces that', async () => {
        const store = losing(failBefore)
        const mine = newSession({ userId: 'alice' })
        await scene.client.set(scene.sessionKey('s1'), '{"cookie":')
        expect(await rejection(store.set('s1', mine))).to.equal(lost)
        await store.set('s1', mine)
        await expectSignedIn('s1', 'alice')
      })

      it('two answers that were lost in a row', async () => {
        const first = failAfter(scene.client, theWrite, lost)
        const { client } = failAfter(first.client, nth(2, theWrite), lost)
        const store = scene.store({ client })
        await scene.signIn('alice', { n: 0 }, 's1')
        const mine = await load(store, 's1')
        expect(await rejection(store.set('s1', Object.assign(mine, { n: 1 })))).to.equal(lost)
        await scene.request('s1', { theirs: 1 })
        expect(await rejection(store.set('s1', Object.assign(mine, { m: 2 })))).to.equal(lost)
        await scene.request('s1', { n: 'theirs' })
        await store.set('s1', Object.assign(mine, { k: 3 }))
        expect(await scene.record('s1')).to.include({ n: 'theirs', theirs: 1, m: 2, k: 3 })
        await scene.expectSignedIn('s1', 'alice')
      })

      for (const made of ['created', 'loaded'] as const) {
        it(`and another that was not written: the object's last change is saved, ${made}`, async () => {
          const { store, mine } = await twiceFailing(made)
          expect(await rejection(store.set('s1', Object.assign(mine, { n: 1 })))).to.equal(lost)
          expect(await rejection(store.set('s1', Object.assign(mine, { n: 2 })))).to.equal(lost)
          await store.set('s1', mine)
          expect(await scene.record('s1')).to.include({ n: 2 })
          await scene.expectSignedIn('s1', 'alice')
        })

        it(`and another that was not written: a change by others in between stays, ${made}`, async () => {
          const { store, mine } = await twiceFailing(made)
          expect(await rejection(store.set('s1', Object.assign(mine, { role: 'b' })))).to.equal(lost)
          mine.cookie.maxAge = 2 * HOUR
          expect(await rejection(store.set('s1', Object.assign(mine, { m: 2 })))).to.equal(lost)
          await scene.store().updateUser('alice', { role: 'c' } as object)
          await store.set('s1', mine)
          expect(await scene.record('s1')).to.include({ role: 'c', m: 2 })
          await scene.expectSignedIn('s1', 'alice')
        })
      }

      it('and a touch that was not written: a change by others in between stays', async () => {
        const { store, mine } = await twiceFailing('loaded')
        expect(await rejection(store.set('s1', Object.assign(mine, { role: 'b' })))).to.equal(lost)
        mine.cookie.maxAge = 2 * HOUR
        expect(await rejection(store.touch('s1', mine))).to.equal(lost)
        await scene.store().updateUser('alice', { role: 'c' } as object)
        await store.set('s1', mine)
        expect(await scene.record('s1')).to.include({ role: 'c' })
      })

      /** The answer to the first write is lost, and the second write does not reach Redis. */
      async function twiceFailing(made: 'created' | 'loaded') {
        const first = failAfter(scene.client, theWrite, lost)
        const { client } = failBefore(first.client, nth(2, theWrite), lost)
        const store = scene.store({ client })
        const data = { userId: 'alice', n: 0, role: 'a' }
        if (made === 'created') return { store, mine: newSession(data) }
        await scene.signIn('alice', { ...data }, 's1')
        return { store, mine: await load(store, 's1') }
      }
    },
    ['server', 'cluster'],
  )
})

describe('Guarantee 2, final: a proxy of a session is that session', () => {
  const db = useDatabase()

  /** As middlewares wrap it: transparent, nested, or with traps that log and bind. */
  const wraps: Record<string, (session: LoadedSession) => LoadedSession> = {
    'a transparent proxy': (session) => new Proxy(session, {}),
    'a proxy of a proxy': (session) => new Proxy(new Proxy(session, {}), {}),
    'a proxy that logs what is set': (session) =>
      new Proxy(session, {
        set: (target, name, value) => Reflect.set(target, name, value),
        get: (target, name, receiver) => Reflect.get(target, name, receiver),
      }),
    'a proxy that binds methods to its target': (session) =>
      new Proxy(session, {
        get(target, name) {
          const value = Reflect.get(target, name, target)
          return typeof value === 'function' ? value.bind(target) : value
        },
      }),
  }

  for (const [name, wrap] of Object.entries(wraps)) {
    it(`${name}: a revoked session stays revoked, after a save, a touch and repeated saves`, async () => {
      const store = db.store()
      for (const saves of [0, 1]) {
        await store.set('s1', newSession({ userId: 'eva' }))
        const proxy = wrap(await load(store, 's1'))
        if (saves) await store.set('s1', Object.assign(proxy, { saved: true }))
        await store.destroyUser('eva')
        await store.touch('s1', proxy)
        await store.set('s1', Object.assign(proxy, { late: true }))
        expect(await db.keys()).to.deep.equal([])
      }
    })

    it(`${name}: its save is an update, which merges`, async () => {
      const store = db.store()
      await store.set('s1', newSession({ userId: 'eva', role: 'admin' }))
      const session = await load(store, 's1')
      const proxy = wrap(session)
      await db.store().updateUser('eva', { role: 'user' } as never)
      await store.set('s1', Object.assign(proxy, { cart: ['tea'] }))
      await store.set('s1', Object.assign(session, { more: 1 }))
      await store.set('s1', Object.assign(wrap(proxy), { again: 1 }))
      expect(await db.record('s1')).to.deep.include({ role: 'user', cart: ['tea'], more: 1, again: 1 })
      await expectListed(db, 's1', 'eva')
    })

    it(`${name}: over HTTP, wrapped before the route, saved by hand, regenerated and destroyed`, async () => {
      const store = db.store({ absoluteTtl: 3600 })
      const wrapped =
        (handle: (req: Request) => Promise<void> | void) => async (req: Request, res: never) => {
          req.session = wrap(sessionOf(req) as LoadedSession)
          await handle(req)
          ;(res as { send(text: string): void }).send('done')
        }
      const called = (req: Request, method: 'save' | 'regenerate' | 'destroy') =>
        new Promise<void>((resolve, reject) =>
          req.session[method]((error?: Error) => (error ? reject(error) : resolve())),
        )
      const app = appWith(
        store,
        {
          '/in': (req, res) => {
            Object.assign(req.session, { userId: 'eva' })
            res.send('in')
          },
          '/save': wrapped(async (req) => {
            Object.assign(req.session, { saved: true })
            await called(req, 'save')
          }) as never,
          '/revoked': wrapped(async (req) => {
            await db.store().destroyUser('eva')
            Object.assign(req.session, { late: true })
            await called(req, 'save')
          }) as never,
          '/regenerate': wrapped(async (req) => {
            await called(req, 'regenerate')
            Object.assign(req.session, { userId: 'eva' })
          }) as never,
        },
        { cookie: { maxAge: HOUR } },
      )
      const device = browser(app)
      const id = sessionIdIn(await device.get('/in')) as string
      await device.get('/save').expect('done')
      expect(await db.record(id)).to.include({ saved: true })
      const { sessionCreated } = await db.record(id)
      const next = sessionIdIn(await device.get('/regenerate').expect('done')) as string
      expect(await db.raw(id)).to.equal(null)
      expect((await db.record(next)).sessionCreated, 'as old as the one it comes from').to.equal(
        sessionCreated,
      )
      await device.get('/revoked').expect('done')
      expect(await db.keys()).to.deep.equal([])
    })
  }

  it('a copy is a new session, as documented: a save creates a session that is listed and revoked like any other', async () => {
    const store = db.store()
    await store.set('s1', newSession({ userId: 'eva' }))
    const session = await load(store, 's1')
    await store.destroyUser('eva')
    for (const copy of [{ ...session }, structuredClone({ ...session, cookie: cookie() })]) {
      await store.set('s1', copy as never)
      await expectListed(db, 's1', 'eva')
      expect(await store.destroyUser('eva')).to.equal(1)
      expect(await db.keys()).to.deep.equal([])
    }
  })

  it('a copy of a loaded session does not change the object that it was copied from', async () => {
    const store = db.store()
    await store.set('s1', newSession({ userId: 'eva' }))
    const session = await load(store, 's1')
    const id = newId()
    await store.set(id, { ...session, copied: true } as never)
    await store.destroy('s1')
    await store.set('s1', Object.assign(session, { late: true }))
    expect(await db.raw('s1')).to.equal(null)
    await expectListed(db, id, 'eva')
  })
})
