/** When a session ends, and that every reported expiry agrees with that. */
import { expect } from 'chai'
import { getUserSessions, readSession, type UserSessionStore } from '../../src/index.ts'
import { HOUR, inMs, MINUTE, SECOND, useDatabase } from '../support/database.ts'
import { expectListed } from '../support/listed.ts'
import { cookie, fields, newSession, usedCookie } from '../support/sessions.ts'

describe('Guarantee 6, true expiry', () => {
  const db = useDatabase()

  /** Fails unless every expiry of eva's session agrees. Returns the expiry. */
  async function agreed(store: UserSessionStore, sessionId: string): Promise<number> {
    const expiry = await db.expiry(sessionId)
    const listed = (await store.userSessions('eva')).find((found) => found.sessionId === sessionId)
    const ofFunctions = await getUserSessions({ ...db.options, userId: 'eva' })
    const iso = new Date(expiry).toISOString()
    const until = await expectListed(db, sessionId, 'eva')
    expect(listed?.expires.getTime()).to.equal(expiry)
    expect(ofFunctions.find((found) => found.sessionId === sessionId)?.data.expires).to.equal(iso)
    expect((await readSession({ ...db.options, sessionId }))?.expires).to.equal(iso)
    if (listed?.data.cookie.expires) expect(listed.data.cookie.expires).to.equal(iso)
    const started = Date.now()
    const { cookie: loaded } = fields(await store.get(sessionId))
    if (!loaded.expires) return expiry
    // If the app set the expiry outright, the index lists it to the millisecond. Otherwise a load reports the expiry
    // that this request's touch will set.
    const next = Date.parse(String(loaded.expires))
    if (until === expiry) expect(next).to.equal(expiry)
    else expect(next - Number(loaded.originalMaxAge)).to.be.within(started, Date.now())
    return expiry
  }

  describe('is the cookie’s, else the data’s, else now and ttl', () => {
    it('the cookie’s, even if data and ttl set another', async () => {
      const store = db.store({ ttl: 10 })
      const data = newSession({ userId: 'eva', expires: inMs(9 * HOUR) })
      await store.set('s1', data)
      expect(await db.expiry('s1')).to.equal((data.cookie.expires as Date).getTime())
    })

    it('the cookie’s, even if its Date was changed in place', async () => {
      const store = db.store()
      const data = newSession({ userId: 'eva' })
      const expires = data.cookie.expires as Date
      for (let n = 0; n < 3; n++) {
        expires.setTime(expires.getTime() + HOUR)
        await store.set('s1', data)
        expect(await db.expiry('s1')).to.equal(expires.getTime())
      }
    })

    it('the data’s, if the cookie has none', async () => {
      const store = db.store({ ttl: 10 })
      const expires = inMs(9 * HOUR)
      await store.set('s1', newSession({ userId: 'eva', expires }, cookie(null)))
      expect(await agreed(store, 's1')).to.equal(Date.parse(expires))
      await store.touch('s1', fields(await store.get('s1')))
      expect(await agreed(store, 's1')).to.equal(Date.parse(expires))
    })

    it('the data’s, even if it is a Date, which is a timestamp in the record', async () => {
      const store = db.store({ ttl: 10 })
      const expires = new Date(Date.now() + 9 * HOUR)
      await store.set('s1', newSession({ userId: 'eva', expires }, cookie(null)))
      expect(await agreed(store, 's1')).to.equal(expires.getTime())
      await store.touch('s1', fields(await store.get('s1')))
      expect(await agreed(store, 's1')).to.equal(expires.getTime())
    })

    it('now and ttl, if the cookie’s expires is false, which express-session allows', async () => {
      const store = db.store({ ttl: 600 })
      const before = Date.now()
      const untilClosed = Object.assign(cookie(null), { expires: false })
      await store.set('s1', newSession({ userId: 'eva' }, untilClosed))
      expect((await db.record('s1')).cookie.expires).to.equal(false)
      expect(await agreed(store, 's1')).to.be.within(before + 10 * MINUTE, Date.now() + 10 * MINUTE)
    })

    for (const expires of ['never', 12, null, {}, '2999', new Date(Number.NaN)]) {
      it(`now and ttl, if data.expires is not a timestamp: ${JSON.stringify(expires)}`, async () => {
        const store = db.store({ ttl: 600 })
        const before = Date.now()
        await store.set('s1', newSession({ userId: 'eva', expires }, cookie(null)))
        expect(await agreed(store, 's1')).to.be.within(before + 10 * MINUTE, Date.now() + 10 * MINUTE)
      })
    }

    for (const ttl of [1.5, 0.25, 3600]) {
      it(`now and a ttl of ${ttl} seconds, to the millisecond`, async () => {
        const store = db.store({ ttl: 1000 + ttl })
        const before = Date.now()
        await store.set('s1', newSession({ userId: 'eva' }, cookie(null)))
        const after = Date.now()
        expect(await db.expiry('s1')).to.be.within(
          before + (1000 + ttl) * SECOND,
          after + (1000 + ttl) * SECOND,
        )
      })
    }

    it('now and the result of the ttl function for the session', async () => {
      const seen: unknown[] = []
      const store = db.store({
        ttl: (data) => {
          seen.push(fields(data).userId)
          return fields(data).trusted ? 6000 : 60
        },
      })
      for (const [id, trusted, ms] of [
        ['s1', true, 6000 * SECOND],
        ['s2', false, 60 * SECOND],
      ] as const) {
        const before = Date.now()
        await store.set(id, newSession({ userId: 'eva', trusted }, cookie(null)))
        expect(await agreed(store, id)).to.be.within(before + ms, Date.now() + ms)
      }
      expect(seen).to.include('eva')
    })

    it('a ttl function that returns 0 or less ends the session', async () => {
      const store = db.store({ ttl: (data) => Number(fields(data).ttl) })
      for (const ttl of [0, -1]) {
        await store.set('s1', newSession({ userId: 'eva', ttl: 60 }, cookie(null)))
        await store.set('s1', newSession({ userId: 'eva', ttl }, cookie(null)))
        expect(await db.keys()).to.deep.equal([])
      }
    })

    it('a ttl function is not called if the cookie has an expiry', async () => {
      const store = db.store({
        ttl: () => {
          throw new Error('asked')
        },
      })
      await store.set('s1', newSession({ userId: 'eva' }))
      await store.touch('s1', fields(await store.get('s1')))
      await agreed(store, 's1')
    })
  })

  it('agrees after set, change, touch, update, remember me and forget me', async () => {
    const store = db.store()
    await store.set('other', newSession({ userId: 'eva' }, usedCookie(20 * MINUTE)))
    await store.set('s1', newSession({ userId: 'eva' }, usedCookie(30 * MINUTE)))
    await agreed(store, 's1')

    const loaded = fields(await store.get('s1'))
    const saved = Date.now()
    await store.set('s1', Object.assign(loaded, { cart: ['tea'] }))
    expect(await agreed(store, 's1'), 'a save is a use').to.be.within(saved + HOUR, Date.now() + HOUR)

    loaded.cookie = usedCookie(10 * MINUTE)
    await store.touch('s1', loaded)
    const touched = await agreed(store, 's1')
    expect(touched).to.equal((loaded.cookie.expires as Date).getTime())

    await store.updateUser('eva', { role: 'user' } as never)
    expect(await agreed(store, 's1')).to.equal(touched)

    loaded.cookie = usedCookie(0, 100 * HOUR)
    await store.touch('s1', loaded)
    expect(await agreed(store, 's1')).to.equal((loaded.cookie.expires as Date).getTime())

    loaded.cookie = usedCookie(0, MINUTE)
    await store.touch('s1', loaded)
    expect(await agreed(store, 's1')).to.equal((loaded.cookie.expires as Date).getTime())

    const expires = inMs(5 * HOUR)
    expect(await store.updateUser('eva', { expires } as never)).to.equal(2)
    expect(await agreed(store, 's1')).to.equal(Date.parse(expires))
    expect(await agreed(store, 'other')).to.equal(Date.parse(expires))
  })

  it('a touch of a session that was not loaded moves all, and changes no data', async () => {
    const store = db.store()
    await store.set('s1', newSession({ userId: 'eva', cart: ['tea'] }, usedCookie(30 * MINUTE)))
    const moved = cookie()
    await store.touch('s1', newSession({ userId: 'bob', cart: [] }, moved))
    expect(await agreed(store, 's1')).to.be.within((moved.expires as Date).getTime(), Date.now() + HOUR)
    expect(await db.record('s1')).to.deep.include({ userId: 'eva', cart: ['tea'] })
  })

  it('a touch of a session that does not exist makes none', async () => {
    const store = db.store()
    await store.touch('none', newSession({ userId: 'eva' }))
    expect(await db.keys()).to.deep.equal([])
  })

  it('Guarantee 4, bounded: the index key lives as long as its longest session, and a shorter session does not shorten it', async () => {
    const store = db.store()
    await store.set('long', newSession({ userId: 'eva' }, usedCookie(0, 100 * HOUR)))
    await store.set('short', newSession({ userId: 'eva' }, usedCookie(0, HOUR)))
    expect(await db.indexExpiry('eva')).to.equal(await expectListed(db, 'long', 'eva'))
    await store.destroy('long')
    expect(await db.indexExpiry('eva')).to.equal(await expectListed(db, 'short', 'eva'))
    await store.destroy('short')
    expect(await db.keys()).to.deep.equal([])
  })

  it('Guarantee 4, bounded: a write of the user forgets entries that have expired', async () => {
    const store = db.store()
    await db.client.zAdd(db.indexKey('eva'), { score: Date.now() - 1, value: 'expired' })
    await store.set('s1', newSession({ userId: 'eva' }))
    expect(Object.keys(await db.index('eva'))).to.deep.equal(['s1'])
  })

  it('a session of which Redis has no TTL is given one by the next save', async () => {
    const store = db.store()
    await store.set('s1', newSession({ userId: 'eva' }))
    await db.client.persist(db.sessionKey('s1'))
    const loaded = fields(await store.get('s1'))
    const saved = Date.now()
    await store.set('s1', Object.assign(loaded, { seen: true }))
    expect(await agreed(store, 's1')).to.be.within(saved + HOUR, Date.now() + HOUR)
  })
})
