/** touchInterval: a busy page costs one write. Only the time of the last use becomes less exact. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import request from 'supertest'
import type { UserSessionStore } from '../../src/index.ts'
import { RecentTouches } from '../../src/requests/recent-touches.ts'
import { appWith, browser, cookieFor, sessionIdIn, sessionOf } from '../support/app.ts'
import { atClock, nextMillisecond } from '../support/clock.ts'
import { HOUR, MINUTE, SECOND, useDatabase } from '../support/database.ts'
import { expectListed } from '../support/listed.ts'
import { watch } from '../support/paused-client.ts'
import { load, newId, onEveryStage } from '../support/scene.ts'
import { cookie, newSession, usedCookie } from '../support/sessions.ts'

const INTERVAL = 60
const MOMENT = 5 * SECOND

describe('touchInterval', () => {
  onEveryStage(
    (scene) => {
      /** A store that counts its writes, with a session that was not touched for a while. */
      function counting() {
        const { client, calls } = watch(scene.client)
        const store = scene.store({ client, touchInterval: INTERVAL })
        const writes = () => calls.filter(({ command }) => command !== 'get').length
        return { store, calls, writes }
      }

      async function usedSession(ago: number, maxAge = HOUR): Promise<string> {
        const id = newId()
        await scene.store().set(id, newSession({ userId: 'alice' }, usedCookie(ago, maxAge)))
        return id
      }

      async function touch(store: UserSessionStore, id: string, change = {}): Promise<void> {
        const session = await load(store, id)
        Object.assign(session.cookie, change)
        session.touch()
        await store.touch(id, session)
      }

      it('the first touch in a process is one plain command, and those within the interval write nothing', async () => {
        const { store, calls, writes } = counting()
        const id = await usedSession(2 * MINUTE)
        const [record, index] = [await scene.record(id), await scene.index('alice')]
        for (let n = 0; n < 5; n++) await touch(store, id)
        expect(writes()).to.equal(1)
        expect(calls.filter(({ command }) => command !== 'get')[0]).to.deep.include({ command: 'pExpireAt' })
        const expires = await scene.expectOneExpiry(id, 'alice')
        expect(expires).to.be.closeTo(Date.now() + HOUR, MOMENT)
        expect([await scene.record(id), await scene.index('alice')]).to.deep.equal([record, index])
        const other = counting()
        await nextMillisecond()
        await touch(other.store, id)
        expect(other.writes(), 'another process does not know').to.equal(1)
        expect(await scene.expectOneExpiry(id, 'alice')).to.be.above(expires)
      })

      it('a touch after a save of this process is skipped too', async () => {
        const { store, writes } = counting()
        const id = newId()
        await store.set(id, newSession({ userId: 'alice' }))
        const saved = writes()
        for (let n = 0; n < 5; n++) await touch(store, id)
        expect(writes()).to.equal(saved)
      })

      it('a save is never skipped, and moves the expiry as before', async () => {
        const { store } = counting()
        const id = await usedSession(10 * SECOND)
        const session = await load(store, id)
        session.cart = ['book']
        session.touch()
        await store.set(id, session)
        expect(await scene.record(id)).to.have.deep.property('cart', ['book'])
        expect(await scene.expectOneExpiry(id, 'alice')).to.be.closeTo(Date.now() + HOUR, MOMENT)
      })

      describe('a changed maxAge is never skipped', () => {
        const changes: Record<string, [ago: number, from: number, to: number | null]> = {
          'to remember me': [0, HOUR, 30 * 24 * HOUR],
          'by less than the interval': [0, HOUR, HOUR + 5 * SECOND],
          'to a little less': [0, HOUR, HOUR - 5 * SECOND],
          'so that the expiry stays the same': [20 * MINUTE, 30 * MINUTE, 10 * MINUTE],
          'so that the expiry hardly moves': [20 * MINUTE, 30 * MINUTE, 10 * MINUTE + 2 * SECOND],
        }
        for (const [name, [ago, from, to]] of Object.entries(changes)) {
          it(name, async () => {
            const { store } = counting()
            const id = await usedSession(ago, from)
            await touch(store, id)
            const again = await usedSession(ago, from)
            await touch(store, again, { maxAge: to })
            expect((await scene.record(again)).cookie.originalMaxAge).to.be.closeTo(to as number, 50)
            expect(await scene.expectOneExpiry(again, 'alice')).to.be.closeTo(
              Date.now() + (to as number),
              MOMENT,
            )
          })
        }

        it('to until the browser closes, and back', async () => {
          const { store } = counting()
          const id = await usedSession(2 * MINUTE)
          await touch(store, id)
          const forget = await load(store, id)
          forget.cookie.maxAge = null as never
          await store.touch(id, forget)
          expect((await scene.record(id)).cookie).to.include({ originalMaxAge: null, expires: null })
          await touch(store, id)
          const remember = await load(store, id)
          remember.cookie.maxAge = 2 * HOUR
          await store.touch(id, remember)
          expect(await scene.expectOneExpiry(id, 'alice')).to.be.closeTo(Date.now() + 2 * HOUR, MOMENT)
        })
      })

      it('of a cookie without maxAge the process remembers when it was touched', async () => {
        const { store, writes } = counting()
        const id = newId()
        await scene.store({ ttl: 3600 }).set(id, newSession({ userId: 'alice' }, cookie(null)))
        await touch(store, id)
        const first = writes()
        expect(first).to.be.above(0)
        for (let n = 0; n < 5; n++) await touch(store, id)
        expect(writes()).to.equal(first)
        const other = counting()
        await touch(other.store, id)
        expect(other.writes(), 'another process does not know').to.be.above(0)
      })

      it('longer than a session’s lifetime counts as half of it: a session in use stays alive', async () => {
        const { client, calls } = watch(scene.client)
        const store = scene.store({ client, touchInterval: 30 * 24 * 3600 })
        const id = newId()
        await store.set(id, newSession({ userId: 'alice' }, cookie(HOUR)))
        calls.length = 0
        const touched: number[] = []
        for (let minutes = 5; minutes <= 120; minutes += 5) {
          await atClock(minutes * MINUTE, async () => {
            const before = await scene.expiry(id)
            expect(before - Date.now(), 'what is left').to.be.within(HOUR / 2 - 5 * MINUTE, HOUR)
            await touch(store, id)
            if ((await scene.expiry(id)) > before) touched.push(minutes)
          })
        }
        // Each touch is some ms later than its minute.
        expect(touched).to.have.length.within(3, 4)
        // On Cluster a touch is a command for the index, one for the session, and at most two looks.
        expect(calls.filter(({ command }) => command !== 'get').length).to.be.at.most(4 * touched.length)
      })

      it('a skipped touch brings nothing back: a revoked session stays gone', async () => {
        const { store } = counting()
        const id = await usedSession(0)
        const late = await load(store, id)
        await scene.store().destroyUser('alice')
        late.touch()
        await store.touch(id, late)
        await scene.expectGone(id)
      })

      it('lastActive stays behind by no more than the interval', async () => {
        const { store } = counting()
        for (const ago of [0, INTERVAL - 5, INTERVAL + 5]) {
          const id = await usedSession(ago * SECOND)
          await touch(store, id)
          const [listed] = await store.userSessions('alice')
          expect(listed?.sessionId).to.equal(id)
          expect(Date.now() - (listed?.lastActive?.getTime() ?? 0)).to.be.within(0, INTERVAL * SECOND)
          await store.destroyUser('alice')
        }
      })
    },
    ['server', 'cluster'],
  )

  it('the memory of touches is bounded, and keeps the latest', () => {
    const touches = new RecentTouches(3)
    for (const [n, id] of ['a', 'b', 'c', 'a', 'd', 'e'].entries()) touches.remember(id, n, 1000)
    for (const id of ['a', 'd', 'e']) expect(touches.within(100, id, 5, 1000), id).to.equal(true)
    expect(touches.within(1, 'd', 5, 1000)).to.equal(false)
    for (const id of ['f', 'g', 'h']) touches.remember(id, 6, 1000)
    expect(touches.within(100, 'b', 5, 1000)).to.equal(false)
    const many = new RecentTouches()
    for (let n = 0; n < 30_000; n++) many.remember(`session ${n}`, n, null)
    expect(many.within(30_000, 'session 9999', 30_000, null)).to.equal(false)
    expect(many.within(30_000, 'session 20000', 30_000, null)).to.equal(true)
  })

  it('remembers the touches of one record: another end in the index means a new record', () => {
    const touches = new RecentTouches()
    touches.remember('a', 100, 1000)
    expect(touches.within(50, 'a', 100, 1000), 'the same touch').to.equal(true)
    expect(touches.within(0, 'a', 100, 1000), 'the same touch, with an interval of 0').to.equal(true)
    expect(touches.within(50, 'a', 149, 1000)).to.equal(true)
    expect(touches.within(50, 'a', 150, 1000)).to.equal(false)
    expect(touches.within(50, 'a', 99, 1000), 'an earlier end').to.equal(false)
    expect(touches.within(50, 'a', 100, 1001)).to.equal(false)
    expect(touches.within(50, 'a', 100, null)).to.equal(false)
  })

  describe('over HTTP', () => {
    const db = useDatabase()

    const site = (store: UserSessionStore, maxAge: number | undefined = HOUR) =>
      appWith(
        store,
        {
          '/sign-in': (req, res) => {
            sessionOf(req).userId = 'alice'
            res.send('in')
          },
          '/image': (_req, res) => res.send('image'),
        },
        { cookie: { maxAge } },
      )

    for (const [name, maxAge] of [
      ['with maxAge', HOUR],
      ['without maxAge', undefined],
    ] as const) {
      it(`a page with twenty requests costs one write: cookie ${name}`, async () => {
        const counts: number[] = []
        for (const touchInterval of [0, INTERVAL, undefined]) {
          const signedIn = await browser(site(db.store(), maxAge)).get('/sign-in')
          const id = sessionIdIn(signedIn) as string
          // A process that has not touched the session lately.
          const { client, calls } = watch(db.client)
          const app = site(db.store({ client, touchInterval }), maxAge)
          for (let n = 0; n < 20; n++) {
            await nextMillisecond()
            await request(app).get('/image').set('Cookie', cookieFor(id)).expect('image')
          }
          expect(calls.filter(({ command }) => command === 'get')).to.have.lengthOf(20)
          counts.push(calls.filter(({ command }) => command !== 'get').length)
          await db.store().destroyUser('alice')
        }
        expect(counts).to.deep.equal([20, 1, 1])
      })
    }

    it('at the end that absoluteTtl sets, when the expiry stands still, it is skipped as well', async () => {
      for (const touchInterval of [0, INTERVAL, undefined]) {
        const { client, calls } = watch(db.client)
        const device = browser(site(db.store({ client, touchInterval, absoluteTtl: 600 })))
        const id = sessionIdIn(await device.get('/sign-in')) as string
        // The cookie was capped a moment before the record was written. So the first touch may still move the end.
        await device.get('/image').expect('image')
        const [expires, record] = [await db.expiry(id), await db.raw(id)]
        calls.length = 0
        for (let n = 0; n < 10; n++) {
          await nextMillisecond()
          await device.get('/image').expect('image')
        }
        expect(calls.filter(({ command }) => command !== 'get')).to.deep.equal([])
        expect([await db.expiry(id), await db.raw(id)]).to.deep.equal([expires, record])
        await db.store().destroyUser('alice')
      }
    })

    it('a session that is used lives on, in TTL and index', async () => {
      const device = browser(site(db.store({ touchInterval: 0.3 }), 10 * SECOND))
      const id = sessionIdIn(await device.get('/sign-in')) as string
      const first = await db.expiry(id)
      for (let moved = first; moved < first + 600; moved = await db.expiry(id)) {
        await sleep(50)
        await device.get('/image').expect('image')
        await expectListed(db, id, 'alice')
      }
    })
  })
})
