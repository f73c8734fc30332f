/**
 * Unusual expiries: a TTL beyond the absolute end, an interval longer than the lifetime, future activity, an empty
 * expiry.
 */
import { expect } from 'chai'
import type { SessionData } from 'express-session'
import request from 'supertest'
import { createSession, getUserSessions, updateSession, updateUserSessions } from '../../src/index.ts'
import { appWith, cookieFor, sessionIdIn, sessionOf } from '../support/app.ts'
import { atClock } from '../support/clock.ts'
import { HOUR, inMs, MINUTE, SECOND, useDatabase } from '../support/database.ts'
import { expectListed } from '../support/listed.ts'
import { load, newId, onEveryStage } from '../support/scene.ts'
import { cookie, type Fields, fields, newSession, usedCookie } from '../support/sessions.ts'

const DAY = 24 * HOUR

describe('absoluteTtl: an overlapping save corrects a TTL beyond the absolute end', () => {
  onEveryStage(
    (scene) => {
      const ABSOLUTE = HOUR
      const limited = () => scene.store({ absoluteTtl: ABSOLUTE / SECOND })

      /** Ways to write a session that another request has loaded before. */
      const writes: Record<string, (id: string, late: Fields) => Promise<unknown>> = {
        'a save': (id, late) => stores.get(late)?.set(id, late as never) as Promise<void>,
        'a save that merges': async (id, late) => {
          await scene.request(id, { other: true })
          await beyond(id)
          return stores.get(late)?.set(id, late as never)
        },
        'a touch of another maxAge': (id, late) => {
          late.cookie = cookie(2 * DAY)
          return stores.get(late)?.touch(id, late as never) as Promise<void>
        },
        updateUser: () => limited().updateUser('alice', { role: 'user' } as never),
        'updateUser with a cookie': () =>
          limited().updateUser('alice', { cookie: cookie(9 * DAY) } as Partial<SessionData>),
        'updateUser with an expires': () =>
          limited().updateUser('alice', { expires: inMs(9 * DAY) } as never),
      }
      const stores = new WeakMap<object, ReturnType<typeof limited>>()
      const beyond = (id: string) => scene.client.pExpireAt(scene.sessionKey(id), Date.now() + DAY)

      for (const [name, write] of Object.entries(writes)) {
        for (const maxAge of [2 * HOUR, null]) {
          it(`${name}, cookie ${maxAge === null ? 'without' : 'with'} maxAge`, async () => {
            const id = newId()
            const started = Date.now()
            await limited().set(id, newSession({ userId: 'alice' }, cookie(maxAge)))
            const store = limited()
            const late: Fields = await load(store, id)
            stores.set(late, store)
            late.cart = ['tea']
            await beyond(id)
            await write(id, late)
            expect(await scene.expiry(id)).to.be.within(started, Date.now() + ABSOLUTE)
            await scene.expectListed(id, 'alice')
            expect((await scene.index('alice'))[id]).to.be.at.most(Date.now() + ABSOLUTE)
          })
        }
      }

      it('many saves at once, each after another program moved the TTL', async () => {
        const id = newId()
        await limited().set(id, newSession({ userId: 'alice' }, cookie(2 * HOUR)))
        const store = limited()
        const sessions = await Promise.all(Array.from({ length: 10 }, () => load(store, id)))
        await Promise.all(
          sessions.map(async (session, n) => {
            await beyond(id)
            await store.set(id, Object.assign(session, { [`k${n}`]: n }))
          }),
        )
        await store.updateUser('alice', { done: true } as never)
        expect(await scene.expiry(id)).to.be.at.most(Date.now() + ABSOLUTE)
        expect(await scene.record(id)).to.include({ k0: 0, k9: 9, done: true })
      })
    },
    ['server', 'cluster'],
  )
})

describe('touchInterval longer than the lifetime', () => {
  const db = useDatabase()

  for (const [name, options, sessionCookie] of [
    ['of a cookie', {}, { maxAge: HOUR }],
    ['of ttl', { ttl: HOUR / SECOND }, {}],
    ['of a ttl function', { ttl: () => HOUR / SECOND }, {}],
  ] as const) {
    it(`${name}: a session that is used over HTTP lives on, and one that is not ends`, async () => {
      const store = db.store({ ...options, touchInterval: 30 * 24 * 3600 })
      const app = appWith(
        store,
        {
          '/in': (req, res) => {
            sessionOf(req).userId = 'eva'
            res.send('in')
          },
          '/': (req, res) => res.json(sessionOf(req).userId ?? null),
        },
        { cookie: sessionCookie },
      )
      const id = sessionIdIn(await request(app).get('/in')) as string
      const get = async () => (await request(app).get('/').set('Cookie', cookieFor(id))).body
      let skipped = 0
      for (let minutes = 7; minutes < 300; minutes += 7) {
        await atClock(minutes * MINUTE, async () => {
          const before = await db.expiry(id)
          expect(before, 'it has not ended').to.be.above(Date.now())
          expect(await get()).to.equal('eva')
          if ((await db.expiry(id)) === before) skipped += 1
        })
      }
      expect(skipped, 'the interval is not 0').to.be.within(10, 40)
      expect(await db.index('eva')).to.have.all.keys(id)
      await atClock(400 * MINUTE, async () => {
        expect(await get()).to.equal(null)
        expect(await store.userSessions('eva')).to.deep.equal([])
      })
    })
  }
})

describe('lastActive', () => {
  const db = useDatabase()

  async function lastActive(id: string): Promise<number> {
    const listed = (await db.store().userSessions('eva')).find(({ sessionId }) => sessionId === id)
    return listed?.lastActive?.getTime() ?? Number.NaN
  }

  it('is never in the future: not by an expiry that an app sets outright', async () => {
    for (const update of [
      (expires: string) => db.store().updateUser('eva', { expires } as never),
      (expires: string) => updateSession({ ...db.options, sessionId: 's1', data: { expires } }),
      (expires: string) => updateUserSessions({ ...db.options, userId: 'eva', data: { expires } }),
    ]) {
      await db.store().set('s1', newSession({ userId: 'eva' }, usedCookie(10 * MINUTE)))
      await update(inMs(30 * DAY))
      expect(await db.expiry('s1')).to.be.above(Date.now() + 29 * DAY)
      expect(await lastActive('s1')).to.be.within(Date.now() - MINUTE, Date.now())
    }
  })

  it('nor by a cookie whose expires is later than its maxAge', async () => {
    const long = Object.assign(cookie(), { expires: new Date(Date.now() + 9 * HOUR), originalMaxAge: HOUR })
    await db.store().set('s1', newSession({ userId: 'eva' }, long))
    expect(await lastActive('s1')).to.be.at.most(Date.now())
  })

  it('nor by a process whose clock is ahead', async () => {
    await atClock(20 * MINUTE, () => db.store().set('s1', newSession({ userId: 'eva' })))
    expect(await lastActive('s1')).to.be.within(Date.now() - MINUTE, Date.now())
    const store = db.store({ touchInterval: 0 })
    await atClock(30 * MINUTE, async () => store.touch('s1', fields(await store.get('s1'))))
    expect(await lastActive('s1')).to.be.within(Date.now() - MINUTE, Date.now())
  })

  it('is the last use otherwise', async () => {
    await db.store().set('s1', newSession({ userId: 'eva' }, usedCookie(10 * MINUTE)))
    expect(await lastActive('s1')).to.be.closeTo(Date.now() - 10 * MINUTE, MINUTE)
  })
})

describe('A cookie without an expiry', () => {
  const db = useDatabase()

  for (const expires of ['', false, null, undefined]) {
    const said = JSON.stringify(expires) ?? 'undefined'

    it(`expires ${said}: the session lives by ttl, is listed, touched, merged and updated`, async () => {
      const store = db.store({ ttl: 600 })
      const started = Date.now()
      await store.set('s1', newSession({ userId: 'eva' }, { originalMaxAge: null, expires } as never))
      expect(await db.expiry('s1')).to.be.within(started + 10 * MINUTE, Date.now() + 10 * MINUTE)
      await expectListed(db, 's1', 'eva')
      const [one, two] = [fields(await store.get('s1')), fields(await store.get('s1'))]
      await store.touch('s1', one)
      await store.set('s1', Object.assign(one, { a: 1 }))
      await store.set('s1', Object.assign(two, { b: 2 }))
      await store.updateUser('eva', { c: 3 } as never)
      expect(await db.record('s1')).to.include({ a: 1, b: 2, c: 3 })
      expect((await db.record('s1')).cookie.expires ?? null).to.equal(expires ?? null)
      expect(await db.expiry('s1')).to.be.within(started + 10 * MINUTE, Date.now() + 10 * MINUTE)
      await expectListed(db, 's1', 'eva')
      expect((await store.userSessions('eva'))[0]).to.not.have.property('lastActive')
      expect(await getUserSessions({ ...db.options, userId: 'eva' })).to.have.length(1)
    })

    it(`expires ${said}: data.expires rules if there is one`, async () => {
      const at = inMs(3 * HOUR)
      const data = { userId: 'eva', expires: at, cookie: { originalMaxAge: null, expires } }
      await createSession({ ...db.options, sessionId: 's1', data })
      await db.store().set('s2', newSession({ userId: 'eva', expires: at }, data.cookie as never))
      for (const id of ['s1', 's2']) {
        expect(await db.expiry(id)).to.equal(Date.parse(at))
        expect(await expectListed(db, id, 'eva')).to.equal(Date.parse(at))
      }
    })
  }

  it('a record of another store with such a cookie loads over HTTP', async () => {
    const record = { userId: 'eva', cookie: { originalMaxAge: null, expires: '', path: '/' } }
    await db.client.set(db.sessionKey('s1'), JSON.stringify(record), { PX: HOUR })
    const store = db.store()
    const session = await load(store, 's1')
    session.touch()
    await store.touch('s1', session)
    await expectListed(db, 's1', 'eva')
  })
})
