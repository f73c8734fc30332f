import { createHash } from 'node:crypto'
import { expect } from 'chai'
import session from 'express-session'
import { UserSessionStore } from '../../src/index.ts'
import { HOUR, MINUTE, useDatabase } from '../support/database.ts'
import { cookie, fields, newSession, usedCookie } from '../support/sessions.ts'

describe('UserSessionStore', () => {
  const db = useDatabase()

  it('is an express-session store', () => {
    expect(db.store()).to.be.instanceOf(session.Store)
  })

  it('uses the prefixes session: and user: and a lifetime of one day by default', async () => {
    const store = new UserSessionStore({ client: db.client })
    const id = db.prefixes.prefix
    const before = Date.now()
    await store.set(id, newSession({ userId: id }, cookie(null)))
    const after = Date.now()
    const expiry = await db.client.pExpireTime(`session:${id}`)
    expect(expiry).to.be.within(before + 24 * HOUR, after + 24 * HOUR)
    const score = await db.client.zScore(`user:${id}:sessions`, id)
    expect(score).to.be.within(expiry, expiry + 3 * HOUR)
    const record = JSON.parse((await db.client.get(`session:${id}`)) as string)
    expect(record.cookie.index).to.deep.equal({ until: score })
    await store.destroy(id)
    expect(await db.client.exists([`session:${id}`, `user:${id}:sessions`])).to.equal(0)
  })

  describe('one session from beginning to end, as the tests of other stores have it', () => {
    it('is set, read, touched, counted, listed, destroyed and cleared', async () => {
      const store = db.store()
      await store.clear()
      const browserLong = { foo: 'bar', cookie: { originalMaxAge: null } }
      await store.set('123', browserLong as never)
      expect(await store.get('123')).to.deep.equal(browserLong)

      const expires = new Date(Date.now() + MINUTE)
      await store.set('456', { cookie: { originalMaxAge: null, expires } } as never)
      expect(await db.expiry('456')).to.equal(expires.getTime())
      const later = new Date(Date.now() + 2 * MINUTE)
      await store.touch('456', { cookie: { originalMaxAge: null, expires: later } } as never)
      expect(await db.expiry('456')).to.equal(later.getTime())

      expect(await store.length()).to.equal(2)
      expect((await store.ids()).sort()).to.deep.equal(['123', '456'])
      expect((await store.all()).sort((a, b) => (a.id < b.id ? -1 : 1))).to.deep.equal([
        { ...browserLong, id: '123' },
        { id: '456', cookie: { originalMaxAge: null, expires: later.toISOString() } },
      ])

      await store.destroy('456')
      expect(await store.length()).to.equal(1)
      await store.clear()
      expect(await store.length()).to.equal(0)
      expect(await store.all()).to.deep.equal([])
    })

    it('is gone after it was set with an expiry in the past', async () => {
      const store = db.store()
      await store.set('789', newSession({ userId: 'eva' }))
      expect(await store.length()).to.equal(1)
      await store.set('789', newSession({ userId: 'eva' }, usedCookie(2 * HOUR)))
      expect(await db.keys()).to.deep.equal([])
    })

    it('is one of a thousand, all counted and all cleared', async () => {
      const store = db.store()
      const ids = Array.from({ length: 1000 }, (_, n) => `s${n}`)
      await Promise.all(ids.map((id, n) => store.set(id, newSession({ userId: `user${n % 7}` }))))
      expect(await store.length()).to.equal(1000)
      expect((await store.ids()).sort()).to.deep.equal(ids.sort())
      expect(await store.all()).to.have.lengthOf(1000)
      await store.clear()
      expect(await db.keys()).to.deep.equal([])
    })
  })

  describe('get', () => {
    it('resolves to null if there is no session', async () => {
      expect(await db.store().get('none')).to.equal(null)
    })

    it('gives each caller its own data', async () => {
      const store = db.store()
      await store.set('s1', newSession({ list: [1] }))
      fields(await store.get('s1')).list = []
      expect(fields(await store.get('s1')).list).to.deep.equal([1])
    })
  })

  describe('load, which express-session’s Store brings', () => {
    it('makes a Session from loaded data, and saves it', async () => {
      const store = db.store()
      await store.set('s1', newSession({ userId: 'eva' }))
      const loaded = await new Promise<session.Session>((resolve, reject) => {
        store.load('s1', (error, found) =>
          error ? reject(error) : resolve(found as unknown as session.Session),
        )
      })
      Object.assign(loaded, { color: 'red' })
      await new Promise<void>((resolve, reject) => {
        loaded.save((error) => (error ? reject(error) : resolve()))
      })
      expect(await db.record('s1')).to.include({ userId: 'eva', color: 'red' })
    })

    it('finds nothing if there is no session', async () => {
      const found = await new Promise((resolve) => {
        db.store().load('none', (...args) => resolve(args))
      })
      expect(found).to.deep.equal([])
    })
  })

  describe('the user of a session', () => {
    it('Guarantee 1, indexed: session.userId, as string or number, 0 included', async () => {
      const store = db.store()
      for (const userId of ['eva', 42, 0]) {
        await store.set(`s${userId}`, newSession({ userId }))
        expect(await db.index(String(userId))).to.have.all.keys(`s${userId}`)
      }
    })

    it('Guarantee 1, indexed: is Passport’s user, if that is a string or a number', async () => {
      const store = db.store()
      await store.set('s1', newSession({ passport: { user: 'eva' } }))
      await store.set('s2', newSession({ passport: { user: 7 } }))
      expect(await db.index('eva')).to.have.all.keys('s1')
      expect(await db.index('7')).to.have.all.keys('s2')
    })

    it('Guarantee 1, indexed: session.userId rather than Passport’s', async () => {
      await db.store().set('s1', newSession({ userId: 'eva', passport: { user: 'bob' } }))
      expect(await db.index('eva')).to.have.all.keys('s1')
      expect(await db.index('bob')).to.deep.equal({})
    })

    it('Guarantee 1, indexed: is the result of the option userId', async () => {
      const store = db.store({ userId: (data) => fields(data).account as number | undefined })
      await store.set('s1', newSession({ userId: 'not this', account: 9 }))
      expect(await db.index('9')).to.have.all.keys('s1')
      expect((await store.userSessions(9)).map(({ sessionId }) => sessionId)).to.deep.equal(['s1'])
    })

    const anonymous = {
      'no user': {},
      'userId null': { userId: null },
      'Passport without user': { passport: {} },
      'passport null': { passport: null },
      'Passport with an object as user': { passport: { user: { id: 1 } } },
    }
    for (const [name, data] of Object.entries(anonymous)) {
      it(`an anonymous session has no index entry: ${name}`, async () => {
        const store = db.store()
        await store.set('s1', newSession(data))
        await store.touch('s1', newSession(data))
        expect(await db.keys()).to.deep.equal([db.sessionKey('s1')])
      })
    }

    it('Guarantee 1, indexed: signing in adds the entry, signing out removes it, changing user moves it', async () => {
      const store = db.store()
      await store.set('s1', newSession())
      for (const [userId, listed] of [
        ['eva', 'eva'],
        ['bob', 'bob'],
        [undefined, undefined],
      ] as const) {
        const data = fields(await store.get('s1'))
        data.userId = userId
        await store.set('s1', data)
        for (const user of ['eva', 'bob']) {
          expect(Object.keys(await db.index(user))).to.deep.equal(user === listed ? ['s1'] : [])
        }
      }
      expect(await db.keys()).to.deep.equal([db.sessionKey('s1')])
    })

    it('Guarantee 1, indexed: a session that replaces another user’s moves the entry too', async () => {
      const store = db.store()
      await store.set('s1', newSession({ userId: 'eva' }))
      await store.set('s1', newSession({ userId: 'bob' }))
      expect(await db.keys()).to.have.members([db.sessionKey('s1'), db.indexKey('bob')])
    })
  })

  describe('userSessions', () => {
    it('lists the user’s live sessions only, most recently active first', async () => {
      const store = db.store()
      await store.set('old', newSession({ userId: 'eva' }, usedCookie(30 * MINUTE)))
      await store.set('remembered', newSession({ userId: 'eva' }, usedCookie(20 * MINUTE, 100 * HOUR)))
      await store.set('now', newSession({ userId: 'eva' }, usedCookie(0)))
      await store.set('bobs', newSession({ userId: 'bob' }))
      await store.set('expired', newSession({ userId: 'eva' }, usedCookie(2 * HOUR)))
      const listed = await store.userSessions('eva')
      expect(listed.map(({ sessionId }) => sessionId)).to.deep.equal(['now', 'remembered', 'old'])
    })

    it('puts sessions of which the last activity is unknown last, the longest-lived first', async () => {
      const store = db.store({ ttl: (data) => Number(fields(data).lives) })
      for (const [id, lives] of [
        ['short', 60],
        ['long', 600],
      ] as const) {
        await store.set(id, newSession({ userId: 'eva', lives }, cookie(null)))
      }
      await store.set('active', newSession({ userId: 'eva' }, usedCookie(50 * MINUTE)))
      const listed = await store.userSessions('eva')
      expect(listed.map(({ sessionId }) => sessionId)).to.deep.equal(['active', 'long', 'short'])
      expect(listed.map(({ lastActive }) => lastActive instanceof Date)).to.deep.equal([true, false, false])
    })

    it('lists id, handle, data, expiry and last activity', async () => {
      const store = db.store()
      const data = newSession({ userId: 'eva', device: 'Firefox' }, usedCookie(10 * MINUTE))
      await store.set('s1', data)
      const expires = data.cookie.expires as Date
      expect(await store.userSessions('eva')).to.deep.equal([
        {
          sessionId: 's1',
          handle: createHash('sha256').update('s1').digest('base64url'),
          data: JSON.parse(JSON.stringify(data)),
          expires,
          lastActive: new Date(expires.getTime() - HOUR),
        },
      ])
    })

    it('resolves to an empty array for a user without sessions', async () => {
      expect(await db.store().userSessions('nobody')).to.deep.equal([])
    })

    it('Guarantee 4, bounded: removes entries without a session', async () => {
      const store = db.store()
      await store.set('s1', newSession({ userId: 'eva' }))
      await db.client.del(db.sessionKey('s1'))
      expect(await store.userSessions('eva')).to.deep.equal([])
      expect(await db.keys()).to.deep.equal([])
    })

    it('data of a listed session can be saved as an update', async () => {
      const store = db.store()
      await store.set('s1', newSession({ userId: 'eva' }))
      const [listed] = await store.userSessions('eva')
      Object.assign(fields(listed?.data), { seen: true })
      await store.set('s1', fields(listed?.data))
      expect(await db.record('s1')).to.include({ seen: true })
      await store.destroy('s1')
      await store.set('s1', fields(listed?.data))
      expect(await db.keys()).to.deep.equal([])
    })
  })

  describe('destroyUser', () => {
    it('signs this user out everywhere, and no other user', async () => {
      const store = db.store()
      for (const id of ['s1', 's2', 's3']) await store.set(id, newSession({ userId: 'eva' }))
      await store.set('bobs', newSession({ userId: 'bob' }))
      expect(await store.destroyUser('eva')).to.equal(3)
      expect(await db.keys()).to.have.members([db.sessionKey('bobs'), db.indexKey('bob')])
      expect(await store.destroyUser('eva')).to.equal(0)
    })

    it('signs the user out everywhere but here', async () => {
      const store = db.store()
      for (const id of ['s1', 's2', 's3']) await store.set(id, newSession({ userId: 'eva' }))
      expect(await store.destroyUser('eva', { except: 's2' })).to.equal(2)
      expect(Object.keys(await db.index('eva'))).to.deep.equal(['s2'])
      expect(await store.ids()).to.deep.equal(['s2'])
      expect(await store.destroyUser('eva', { except: 'not his' })).to.equal(1)
    })

    it('Guarantee 2, final: a session that was loaded before cannot be saved, touched or updated back', async () => {
      const store = db.store()
      await store.set('s1', newSession({ userId: 'eva' }))
      const loaded = fields(await store.get('s1'))
      await store.destroyUser('eva')
      loaded.cart = ['tea']
      await store.touch('s1', loaded)
      await store.set('s1', loaded)
      await store.updateUser('eva', { cart: [] } as never)
      expect(await db.keys()).to.deep.equal([])
    })

    it('Guarantee 3, owned: leaves another user’s session alone that a stale entry names', async () => {
      const store = db.store()
      await store.set('s1', newSession({ userId: 'bob' }))
      const before = await db.dump()
      await db.client.zAdd(db.indexKey('eva'), { score: Date.now() + HOUR, value: 's1' })
      expect(await store.destroyUser('eva')).to.equal(0)
      expect(await db.dump()).to.deep.equal(before)
    })

    it('counts sessions that were alive, not entries', async () => {
      const store = db.store()
      for (const id of ['s1', 's2']) await store.set(id, newSession({ userId: 'eva' }))
      await db.client.del(db.sessionKey('s1'))
      expect(await store.destroyUser('eva')).to.equal(1)
      expect(await db.keys()).to.deep.equal([])
    })
  })

  describe('destroyUserSession', () => {
    it('signs out one session by its handle', async () => {
      const store = db.store()
      for (const id of ['s1', 's2']) await store.set(id, newSession({ userId: 'eva' }))
      const listed = await store.userSessions('eva')
      const handle = listed.find(({ sessionId }) => sessionId === 's1')?.handle as string
      expect(await store.destroyUserSession('eva', handle)).to.equal(true)
      expect(await store.ids()).to.deep.equal(['s2'])
      expect(await store.destroyUserSession('eva', handle)).to.equal(false)
    })

    it('signs out one session by its id, even if the index does not list it', async () => {
      const store = db.store()
      for (const id of ['s1', 's2']) await store.set(id, newSession({ userId: 'eva' }))
      expect(await store.destroyUserSession('eva', 's1')).to.equal(true)
      await db.client.del(db.indexKey('eva'))
      expect(await store.destroyUserSession('eva', 's2')).to.equal(true)
      expect(await db.keys()).to.deep.equal([])
    })

    it('Guarantee 3, owned: false, and nothing happens, for a session of another user', async () => {
      const store = db.store()
      await store.set('s1', newSession({ userId: 'bob' }))
      const [bobs] = await store.userSessions('bob')
      const before = await db.dump()
      expect(await store.destroyUserSession('eva', bobs?.handle as string)).to.equal(false)
      expect(await store.destroyUserSession('eva', 's1')).to.equal(false)
      expect(await db.dump()).to.deep.equal(before)
      await db.client.zAdd(db.indexKey('eva'), { score: Date.now() + HOUR, value: 's1' })
      expect(await store.destroyUserSession('eva', bobs?.handle as string)).to.equal(false)
      expect(await db.dump()).to.deep.equal(before)
    })

    it('false for an anonymous session and for none', async () => {
      const store = db.store()
      await store.set('s1', newSession())
      expect(await store.destroyUserSession('eva', 's1')).to.equal(false)
      expect(await store.destroyUserSession('eva', 'none')).to.equal(false)
      expect(await store.ids()).to.deep.equal(['s1'])
    })
  })

  describe('updateUser', () => {
    it('merges into all sessions of the user, keeps their expiries, and resolves to how many', async () => {
      const store = db.store()
      await store.set('s1', newSession({ userId: 'eva', role: 'user' }))
      await store.set('s2', newSession({ userId: 'eva', role: 'user', cart: [1] }, usedCookie(MINUTE)))
      await store.set('s3', newSession({ userId: 'bob', role: 'user' }))
      const expiries = await Promise.all(['s1', 's2', 's3'].map((id) => db.expiry(id)))
      const index = await db.index('eva')
      expect(await store.updateUser('eva', { role: 'admin' } as never)).to.equal(2)
      expect(await store.updateUser('nobody', { role: 'admin' } as never)).to.equal(0)
      expect(fields(await store.get('s1')).role).to.equal('admin')
      expect(fields(await store.get('s2'))).to.deep.include({ role: 'admin', cart: [1] })
      expect(fields(await store.get('s3')).role).to.equal('user')
      expect(await Promise.all(['s1', 's2', 's3'].map((id) => db.expiry(id)))).to.deep.equal(expiries)
      expect(await db.index('eva')).to.deep.equal(index)
    })

    it('Guarantee 3, owned: refuses to change the owner, and changes nothing', async () => {
      const store = db.store()
      await store.set('s1', newSession({ userId: 'eva' }))
      await store.set('s2', newSession({ passport: { user: 'eva' } }))
      const before = await db.dump()
      for (const change of [{ userId: 'bob' }, { userId: null, passport: null }]) {
        const error = await store.updateUser('eva', change as never).catch((reason) => reason)
        expect(error).to.include({ code: 'SESSION_USER' })
        expect(await db.dump()).to.deep.equal(before)
      }
    })
  })

  describe('clear', () => {
    it('deletes all sessions with their index entries, and nothing under other prefixes', async () => {
      const store = db.store()
      await store.set('s1', newSession({ userId: 'eva' }))
      await store.set('s2', newSession())
      const other = `${db.prefixes.prefix.slice(0, -1)}-other`
      await db.client.set(other, 'not ours')
      await store.clear()
      expect(await db.keys()).to.deep.equal([])
      expect(await db.client.get(other)).to.equal('not ours')
      await db.client.del(other)
    })

    it('Guarantee 2, final: a session that was loaded before does not come back', async () => {
      const store = db.store()
      await store.set('s1', newSession({ userId: 'eva' }))
      const loaded = fields(await store.get('s1'))
      await store.clear()
      await store.set('s1', loaded)
      expect(await db.keys()).to.deep.equal([])
    })
  })
})
