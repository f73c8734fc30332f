/** maxUserSessions: a user has no more sessions than the limit, for any number of simultaneous sign-ins. */
import { expect } from 'chai'
import { createSession, type DestroyedEvent, type UserSessionStore } from '../../src/index.ts'
import { isReserved } from '../../src/redis/entry-marks.ts'
import { appWith, browser, sessionIdIn, sessionOf } from '../support/app.ts'
import { HOUR, inMs, MINUTE, rejection, SECOND, useDatabase } from '../support/database.ts'
import { nextTurn } from '../support/heard.ts'
import { type Call, dieAfter, dieBefore, runs, watch } from '../support/paused-client.ts'
import { load, newId, onEveryStage, type Scene, theWrite } from '../support/scene.ts'
import { condemnScript, evictScript, removeScript } from '../support/scripts.ts'
import { cookie, type Fields, fields, newSession } from '../support/sessions.ts'

const LIMIT = 3
const SIMULTANEOUS = 100
const ROUNDS = 3

/** The step that decides which session is evicted. */
const theEviction = (call: Call) => [evictScript, condemnScript].some((script) => runs(script)(call))

/** Signs in with a session that lives for `maxAge` ms. Resolves to its id. */
async function signIn(
  store: UserSessionStore,
  maxAge = HOUR,
  data: Fields = {},
  sessionId = newId(),
): Promise<string> {
  await store.set(sessionId, newSession({ userId: 'alice', ...data }, cookie(maxAge)))
  return sessionId
}

async function living(scene: Scene, ids: string[]): Promise<string[]> {
  const alive = await Promise.all(ids.map((id) => scene.lives(id)))
  return ids.filter((_, n) => alive[n])
}

/** Collects all `destroyed` events of the store from now on. */
function destroyedBy(store: UserSessionStore): DestroyedEvent[] {
  const events: DestroyedEvent[] = []
  store.on('destroyed', (event) => events.push(event))
  return events
}

describe('maxUserSessions', () => {
  onEveryStage(
    (scene) => {
      const limited = (maxUserSessions = LIMIT) => scene.store({ maxUserSessions })

      /** Sign-ins that expire in the order of their ids. */
      async function signedIn(count: number, store = limited()): Promise<string[]> {
        const ids: string[] = []
        for (let n = 1; n <= count; n++) ids.push(await signIn(store, HOUR + n * MINUTE))
        return ids
      }

      async function expectExactly(ids: string[], all: string[]): Promise<void> {
        expect(await living(scene, all)).to.have.members(ids)
        expect(Object.keys(await scene.index('alice'))).to.have.members(ids)
        for (const id of ids) await scene.expectSignedIn(id, 'alice')
      }

      it(`${SIMULTANEOUS} simultaneous sign-ins leave exactly ${LIMIT}, alive and listed, every time`, async function () {
        this.timeout('5m')
        for (let round = 0; round < ROUNDS; round++) {
          const stores = Array.from({ length: 4 }, () => limited())
          const events = stores.map(destroyedBy)
          const ids = Array.from({ length: SIMULTANEOUS }, newId)
          await Promise.all(
            ids.map((id, n) => signIn(stores[n % 4] as UserSessionStore, HOUR + n * SECOND, {}, id)),
          )
          const left = await living(scene, ids)
          expect(left, `round ${round}`).to.have.lengthOf(LIMIT)
          await expectExactly(left, ids)
          await nextTurn()
          const handles = events.flat().map(({ handle }) => handle)
          expect(new Set(handles).size, 'each is announced once').to.equal(handles.length)
          expect(handles).to.have.lengthOf(SIMULTANEOUS - LIMIT)
          await scene.store().destroyUser('alice')
        }
      })

      it('evicts the sessions that expire soonest, with the reason limit', async () => {
        const ids = await signedIn(LIMIT)
        const store = limited()
        const events = destroyedBy(store)
        const [{ handle } = { handle: '' }] = (await store.userSessions('alice')).filter(
          ({ sessionId }) => sessionId === ids[0],
        )
        const latest = await signIn(store, 2 * HOUR)
        await expectExactly([...ids.slice(1), latest], [...ids, latest])
        await nextTurn()
        expect(events).to.deep.equal([{ handle, userId: 'alice', reason: 'limit' }])
      })

      it('never evicts the new session, even if it expires first', async () => {
        const ids = await signedIn(LIMIT)
        const brief = await signIn(limited(), MINUTE)
        await expectExactly([...ids.slice(1), brief], [...ids, brief])
      })

      it('a lower limit takes effect at the next sign-in', async () => {
        const ids = await signedIn(5, limited(5))
        const store = limited(2)
        const session = await load(store, ids[0] as string)
        session.cart = ['book']
        await store.set(ids[0] as string, session)
        await store.touch(ids[0] as string, session)
        await expectExactly(ids, ids)
        const latest = await signIn(store, MINUTE)
        await expectExactly([ids[4] as string, latest], [...ids, latest])
      })

      it('a function returns the limit for the session that signs in', async () => {
        const store = scene.store({
          maxUserSessions: (session) => (fields(session).plan === 'family' ? 4 : 1),
        })
        const ids = [
          await signIn(store, HOUR, { plan: 'family' }),
          await signIn(store, HOUR + MINUTE, { plan: 'family' }),
        ]
        await expectExactly(ids, ids)
        const single = await signIn(store, HOUR, { plan: 'single' })
        await expectExactly([single], [...ids, single])
      })

      it('a session that gets an owner without a new id counts, and stays', async () => {
        const ids = await signedIn(LIMIT)
        const [anonymous, bobs] = [newId(), newId()]
        const store = limited()
        await store.set(anonymous, newSession({ cart: [] }, cookie(3 * HOUR)))
        await scene.signIn('bob', {}, bobs)
        await expectExactly(ids, ids)
        for (const id of [anonymous, bobs]) {
          const session = await load(store, id)
          session.userId = 'alice'
          await store.set(id, session)
        }
        await expectExactly([ids[2] as string, anonymous, bobs], [...ids, anonymous, bobs])
      })

      it('a sign-out that is undone by an overlapping save of the same property is a sign-in', async () => {
        const store = limited(1)
        const passport = { user: 'alice' }
        const [phone, laptop] = [newId(), newId()]
        await store.set(phone, newSession({ passport }, cookie(2 * HOUR)))
        const [signingOut, saving] = [await load(store, phone), await load(store, phone)]
        signingOut.passport = {}
        await store.set(phone, signingOut)
        await store.set(laptop, newSession({ passport }, cookie(HOUR)))
        expect(await living(scene, [phone, laptop])).to.have.members([phone, laptop])
        saving.passport = { ...passport, flash: 'saved' }
        await store.set(phone, saving)
        expect(await living(scene, [phone, laptop])).to.deep.equal([phone])
        expect(Object.keys(await scene.index('alice'))).to.deep.equal([phone])
      })

      it('neither evicts nor counts sessions of other users', async () => {
        const store = limited(1)
        const others = await Promise.all(['bob', 'carol', undefined].map((user) => scene.signIn(user)))
        const ids = [await signIn(store), await signIn(store)]
        expect(await living(scene, [...others, ...ids])).to.deep.equal([...others, ids[1]])
      })

      it('a later save or touch of a session that is signed in asks for nothing more', async () => {
        const { client, calls } = watch(scene.client)
        const store = scene.store({ client, maxUserSessions: 1 })
        const id = await signIn(store)
        const session = await load(store, id)
        session.cart = ['book']
        const before = calls.length
        await store.set(id, session)
        const saving = calls.length - before
        await store.touch(id, Object.assign(session, { cookie: cookie(2 * HOUR) }))
        const plain = watch(scene.client)
        const other = scene.store({ client: plain.client })
        const same = await load(other, id)
        same.cart = []
        const start = plain.calls.length
        await other.set(id, same)
        expect(saving).to.equal(plain.calls.length - start)
      })

      it('a save or touch of an evicted session is dropped', async () => {
        const ids = await signedIn(LIMIT)
        const first = ids[0] as string
        for (const work of ['set', 'touch'] as const) {
          await scene.store().destroyUser('alice')
          await Promise.all(ids.map((id, n) => signIn(limited(), HOUR + n * MINUTE, {}, id)))
          const { store, reached, release } = scene.stoppedBefore(theWrite)
          const late = await load(store, first)
          late.cart = ['book']
          late.cookie.maxAge = 3 * HOUR
          const writing = store[work](first, late)
          await reached
          const latest = await signIn(limited())
          release()
          await writing
          await expectExactly([...ids.slice(1), latest], [...ids, latest])
          await scene.expectGone(first)
        }
      })

      it('a touch between the choice and the removal does not leave one too many', async () => {
        const ids = await signedIn(LIMIT)
        const { client, reached, release } = scene.stoppedBefore(theEviction)
        const latest = newId()
        const signing = signIn(scene.store({ client, maxUserSessions: LIMIT }), HOUR, {}, latest)
        await reached
        const late = await load(scene.store(), ids[0] as string)
        late.cookie.maxAge = 3 * HOUR
        await scene.store().touch(ids[0] as string, late)
        release()
        await signing
        const left = await living(scene, [...ids, latest])
        expect(left).to.have.lengthOf(LIMIT).and.to.include(latest)
        await expectExactly(left, [...ids, latest])
      })

      it('a sign-out at the same time saves one eviction: no fewer sessions than the limit stay', async () => {
        for (const out of [0, 2]) {
          const ids = await signedIn(LIMIT)
          const { client, reached, release } = scene.stoppedBefore(theEviction)
          const latest = newId()
          const signing = signIn(scene.store({ client, maxUserSessions: LIMIT }), HOUR, {}, latest)
          await reached
          await scene.store().destroy(ids[out] as string)
          release()
          await signing
          await expectExactly([...ids.toSpliced(out, 1), latest], [...ids, latest])
          await scene.store().destroyUser('alice')
        }
      })

      it('a sign-out at the same time does not make room for a session of a function: the limit holds', async () => {
        const ids = await signedIn(LIMIT)
        const [latest, made] = [newId(), newId()]
        const { client, reached, release } = scene.stoppedBefore(theEviction)
        const signing = signIn(scene.store({ client, maxUserSessions: LIMIT }), HOUR, {}, latest)
        await reached
        await scene.store().destroy(ids[0] as string)
        const data = { userId: 'alice', expires: inMs(2 * HOUR) }
        await createSession({ ...scene.options, sessionId: made, data })
        release()
        await signing
        await expectExactly([ids[2] as string, latest, made], [...ids, latest, made])
      })

      it('a sign-out everywhere at the same time leaves nothing behind', async () => {
        const ids = await signedIn(LIMIT)
        const { client, reached, release } = scene.stoppedBefore(theEviction)
        const signing = signIn(scene.store({ client, maxUserSessions: LIMIT }))
        await reached
        await scene.store().destroyUser('alice')
        release()
        await signing
        for (const id of ids) await scene.expectGone(id)
        expect(await scene.keys()).to.deep.equal([])
      })

      for (const [how, die] of Object.entries({ dieBefore, dieAfter })) {
        it(`a crash (${how}) at any command of a sign-in leaves every session listed and the next at the limit`, async function () {
          this.timeout('5m')
          for (let step = 1; ; step++) {
            const ids = await signedIn(LIMIT + 1, limited(LIMIT + 1))
            const mortal = die(scene.client, step)
            const brief = newId()
            const store = scene.store({ client: mortal.client, maxUserSessions: LIMIT })
            await signIn(store, MINUTE, {}, brief).catch(() => {})
            const alive = await living(scene, [...ids, brief])
            expect(alive.length, `step ${step}`).to.be.at.least(LIMIT)
            await expectListed(alive)
            const latest = await signIn(limited(), MINUTE)
            const left = await living(scene, [...alive, latest])
            expect(left, `step ${step}`).to.have.lengthOf(LIMIT).and.to.include(latest)
            await forgetReserved(brief)
            await expectExactly(left, [...alive, latest])
            await scene.store().destroyUser('alice')
            expect(await scene.keys(), `step ${step}`).to.deep.equal([])
            if (!mortal.dead) break
          }
        })
      }

      /** On Cluster a crash before the session is written leaves only a reserved entry, until its own end. */
      async function forgetReserved(id: string): Promise<void> {
        const score = (await scene.index('alice'))[id]
        if (scene.topology.name !== 'cluster' || score === undefined || (await scene.lives(id))) return
        expect(isReserved(score), 'reserved').to.equal(true)
        expect(score).to.be.at.most(Date.now() + (MINUTE * 9) / 8 + 1)
        await scene.client.zRem(scene.indexKey('alice'), id)
      }

      it('a crash between the choice and the removal does not shorten the index', async () => {
        const long = await signIn(limited(), 3 * HOUR)
        const [removing, brief] = [runs(removeScript), newId()]
        const { client } = dieBefore(scene.client, (call) => removing(call) || runs(evictScript)(call))
        await rejection(signIn(scene.store({ client, maxUserSessions: 1 }), MINUTE, {}, brief))
        await expectListed([long, brief])
        await signIn(scene.store(), MINUTE, {}, brief)
        await expectListed([long, brief])
        expect(await scene.store().destroyUser('alice')).to.equal(2)
        expect(await scene.keys()).to.deep.equal([])
      })

      /** Every one is found by a listing, and the index lives as long as the longest of them. */
      async function expectListed(alive: string[]): Promise<void> {
        const indexed = await scene.index('alice')
        for (const id of alive) {
          const { until } = (await scene.record(id)).cookie.index as { until: number }
          // On Cluster the fraction of a millisecond marks that the session is being created or evicted.
          expect(Math.floor(indexed[id] as number), 'score').to.equal(until)
          const expires = await scene.expiry(id)
          expect(until).to.be.within(expires, expires + (expires - Date.now() + MINUTE) / 8)
        }
        const lasts = await scene.client.pExpireTime(scene.indexKey('alice'))
        const longest = Math.max(...Object.values(indexed))
        expect(lasts, 'the index lives as long as its longest entry').to.equal(Math.ceil(longest))
        const listed = await scene.store().userSessions('alice')
        expect(listed.map(({ sessionId }) => sessionId)).to.have.members(alive)
      }

      it('a corrupt record, one that is not text and one of another type count, and can be removed', async () => {
        const others: Record<string, (key: string) => Promise<unknown>> = {
          corrupt: (key) => scene.client.set(key, '{"userId":', { PX: HOUR }),
          binary: (key) => scene.client.set(key, Buffer.from([0xff, 0xfe, 0x7b]), { PX: HOUR }),
          foreign: async (key) => {
            await scene.client.del(key)
            await scene.client.lPush(key, 'x')
          },
        }
        for (const [name, put] of Object.entries(others)) {
          const id = await signIn(limited(), MINUTE)
          await put(scene.sessionKey(id))
          const latest = await signIn(limited(1))
          expect(await living(scene, [id, latest]), name).to.deep.equal([latest])
          await expectExactly([latest], [id, latest])
          await scene.store().destroyUser('alice')
        }
      })

      it('entries of sessions that are gone do not count', async () => {
        const ids = await signedIn(LIMIT)
        await scene.client.del(scene.sessionKey(ids[2] as string))
        const latest = await signIn(limited())
        await expectExactly([ids[0] as string, ids[1] as string, latest], [...ids, latest])
      })
    },
    ['server', 'cluster'],
  )

  describe('over HTTP', () => {
    const db = useDatabase()

    const app = (store: UserSessionStore) =>
      appWith(store, {
        '/sign-in': (req, res) =>
          req.session.regenerate(() => {
            sessionOf(req).userId = 'alice'
            res.send('in')
          }),
        '/me': (req, res) => res.json(sessionOf(req).userId ?? null),
      })

    it('signing in again on the same device, with regenerate, does not count twice', async () => {
      const store = db.store({ maxUserSessions: 2 })
      const reasons: string[] = []
      store.on('destroyed', ({ reason }) => reasons.push(reason))
      const site = app(store)
      const [phone, laptop] = [browser(site), browser(site)]
      for (const device of [phone, laptop, phone, laptop, phone]) await device.get('/sign-in').expect('in')
      for (const device of [phone, laptop]) expect((await device.get('/me')).body).to.equal('alice')
      expect(reasons).to.deep.equal(['logout', 'logout', 'logout'])
      expect(Object.keys(await db.index('alice'))).to.have.lengthOf(2)
    })

    it('simultaneous sign-ins end at the limit, and each is answered after its evictions', async () => {
      const store = db.store({ maxUserSessions: 2 })
      const site = app(store)
      const answers = await Promise.all(Array.from({ length: 20 }, () => browser(site).get('/sign-in')))
      const ids = answers.map((answer) => sessionIdIn(answer) as string)
      const lives = await Promise.all(ids.map((id) => db.raw(id)))
      expect(lives.filter((raw) => raw !== null)).to.have.lengthOf(2)
    })

    it('the function must return a positive integer: otherwise the sign-in is refused', async () => {
      for (const said of [0, -1, 1.5, Number.NaN, '3', undefined]) {
        const store = db.store({ maxUserSessions: () => said as number })
        const error = await rejection(signIn(store))
        expect(error).to.be.instanceOf(TypeError)
        expect(error.message).to.include('maxUserSessions(session)')
      }
      expect(await db.keys(), 'before anything is written').to.deep.equal([])
    })

    it('a function is asked once for each sign-in, and about nothing else', async () => {
      const asked: unknown[] = []
      const maxUserSessions = (session: object) => {
        asked.push((session as Fields).userId)
        return 2
      }
      const store = db.store({ maxUserSessions })
      const anonymous = newId()
      await store.set(anonymous, newSession())
      const id = await signIn(store)
      const session = fields(await store.get(id))
      session.cart = ['book']
      await store.set(id, session)
      await store.touch(id, session)
      await store.updateUser('alice', { role: 'admin' } as never)
      expect(asked).to.deep.equal(['alice'])
    })

    it('a failing eviction is an error of the sign-in', async () => {
      await signIn(db.store())
      const refused = Object.assign(Object.create(db.client), {
        evalSha: (sha: string, options: object) =>
          sha === evictScript.sha1
            ? Promise.reject(new Error('OOM command not allowed'))
            : db.client.evalSha(sha, options),
      })
      const store = db.store({ client: refused, maxUserSessions: 1 })
      expect((await rejection(signIn(store))).message).to.include('OOM')
      expect(fields(await db.store().get(Object.keys(await db.index('alice'))[0] as string)).userId).to.equal(
        'alice',
      )
    })
  })
})

describe('maxUserSessions on one server', () => {
  onEveryStage(
    (scene) => {
      it('simultaneous sign-ins do not all try to evict the same sessions', async () => {
        const { client, calls } = watch(scene.client)
        const store = scene.store({ client: client as never, maxUserSessions: LIMIT })
        await Promise.all(Array.from({ length: SIMULTANEOUS }, () => signIn(store)))
        expect(Object.keys(await scene.index('alice'))).to.have.lengthOf(LIMIT)
        expect(calls.filter(theEviction).length).to.be.below(SIMULTANEOUS ** 2 / 4)
      })
    },
    ['server'],
  )
})
