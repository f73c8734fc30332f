/** Overlapping saves: the rules of the merge, and the store's use of them. */
import { expect } from 'chai'
import { updateSession } from '../../src/index.ts'
import { mergeSessions } from '../../src/requests/merge.ts'
import { HOUR, MINUTE, useDatabase } from '../support/database.ts'
import { expectListed } from '../support/listed.ts'
import { cookie, type Fields, fields, newSession, usedCookie } from '../support/sessions.ts'

describe('Guarantee 5, nothing lost: the three-way merge', () => {
  const rules: Record<string, { base: Fields; mine: Fields; stored: Fields; merged: Fields }> = {
    'a property that only I changed': { base: { a: 1 }, mine: { a: 2 }, stored: { a: 1 }, merged: { a: 2 } },
    'a property that only they changed': {
      base: { a: 1 },
      mine: { a: 1 },
      stored: { a: 3 },
      merged: { a: 3 },
    },
    'a property that both changed': { base: { a: 1 }, mine: { a: 2 }, stored: { a: 3 }, merged: { a: 2 } },
    'properties that each added': { base: {}, mine: { a: 1 }, stored: { b: 2 }, merged: { a: 1, b: 2 } },
    'a property that both added': { base: {}, mine: { a: 1 }, stored: { a: 2 }, merged: { a: 1 } },
    'a property that only I deleted': {
      base: { a: 1, b: 1 },
      mine: { b: 1 },
      stored: { a: 1, b: 1 },
      merged: { b: 1 },
    },
    'a property that only they deleted': {
      base: { a: 1, b: 1 },
      mine: { a: 1, b: 1 },
      stored: { b: 1 },
      merged: { b: 1 },
    },
    'a property that both deleted': { base: { a: 1 }, mine: {}, stored: {}, merged: {} },
    'a property that I deleted and they changed': { base: { a: 1 }, mine: {}, stored: { a: 2 }, merged: {} },
    'a property that I changed and they deleted': {
      base: { a: 1 },
      mine: { a: 2 },
      stored: {},
      merged: { a: 2 },
    },
    'only top-level properties are merged': {
      base: { a: { x: 1, y: 1 } },
      mine: { a: { x: 2, y: 1 } },
      stored: { a: { x: 1, y: 2 } },
      merged: { a: { x: 2, y: 1 } },
    },
    'an equal object is no change': {
      base: { a: { x: [1] } },
      mine: { a: { x: [1] } },
      stored: { a: { x: [2] } },
      merged: { a: { x: [2] } },
    },
    'null is a value, and not a deletion': {
      base: { a: 1 },
      mine: { a: null },
      stored: { a: 1 },
      merged: { a: null },
    },
  }
  for (const [name, { base, mine, stored, merged }] of Object.entries(rules)) {
    it(name, () => {
      const inputs = structuredClone([base, mine, stored])
      expect(mergeSessions(base, mine, stored)).to.deep.equal(merged)
      expect([base, mine, stored]).to.deep.equal(inputs)
    })
  }

  it('properties named __proto__ and constructor are properties', () => {
    const base = JSON.parse('{"constructor":1}')
    const mine = JSON.parse('{"constructor":1,"__proto__":{"admin":true}}')
    const stored = JSON.parse('{"constructor":2}')
    const merged = mergeSessions(base, mine, stored)
    expect(JSON.stringify(merged)).to.equal('{"constructor":2,"__proto__":{"admin":true}}')
    expect((merged as { admin?: boolean }).admin).to.equal(undefined)
  })

  describe('of the cookie', () => {
    const at = (ms: number) => new Date(Date.UTC(2999, 0, 1) + ms).toISOString()
    const cookieOf = (expires: number, originalMaxAge: number | null = HOUR, more: Fields = {}) => ({
      cookie: { originalMaxAge, expires: at(expires), path: '/', ...more },
    })

    it('uses my end if both changed it, and theirs if only they did', () => {
      const [base, mine, theirs] = [cookieOf(HOUR), cookieOf(HOUR + 1), cookieOf(HOUR + 2)]
      expect(mergeSessions(base, mine, theirs)).to.deep.equal(mine)
      expect(mergeSessions(base, base, theirs)).to.deep.equal(theirs)
    })

    it('keeps a remember-me of theirs', () => {
      const theirs = cookieOf(100 * HOUR, 100 * HOUR)
      expect(mergeSessions(cookieOf(HOUR), cookieOf(HOUR), theirs)).to.deep.equal(theirs)
    })

    it('keeps the end that belongs to their new maxAge, if a touch has moved mine', () => {
      for (const theirs of [cookieOf(100 * HOUR, 100 * HOUR), cookieOf(8, 8), cookieOf(8, null)]) {
        const merged = mergeSessions(cookieOf(HOUR), cookieOf(HOUR + 5, HOUR - 5), theirs)
        expect(merged).to.deep.equal(theirs)
      }
    })

    it('keeps a remember-me of mine', () => {
      const merged = mergeSessions(cookieOf(HOUR), cookieOf(100 * HOUR, 100 * HOUR), cookieOf(HOUR + 5))
      expect(merged).to.deep.equal(cookieOf(100 * HOUR, 100 * HOUR))
    })

    it('keeps their other changes', () => {
      const merged = mergeSessions(
        cookieOf(HOUR),
        cookieOf(HOUR + 5),
        cookieOf(HOUR, HOUR, { sameSite: 'strict' }),
      )
      expect(merged).to.deep.equal(cookieOf(HOUR + 5, HOUR, { sameSite: 'strict' }))
    })

    it('keeps their cookie if it has no maxAge any more', () => {
      const theirs = { cookie: { originalMaxAge: null, expires: null, path: '/' } }
      expect(mergeSessions(cookieOf(HOUR), cookieOf(HOUR), theirs)).to.deep.equal(theirs)
    })

    it('gives data of createSession the cookie that both were loaded with', () => {
      const plain = { originalMaxAge: null, expires: null, httpOnly: true, path: '/' }
      const mine = { cookie: { ...plain, sameSite: 'lax' } }
      const theirs = { cookie: { ...plain, originalMaxAge: HOUR } }
      expect(mergeSessions({}, mine, theirs)).to.deep.equal({
        cookie: { ...plain, sameSite: 'lax', originalMaxAge: HOUR },
      })
    })
  })
})

describe('Guarantee 5, nothing lost: overlapping saves in the store', () => {
  const db = useDatabase()

  /** Two requests have loaded the same session. */
  async function twoLoaded(data: Fields) {
    const store = db.store()
    await store.set('s1', newSession({ userId: 'eva', ...data }, usedCookie(MINUTE)))
    const [one, two] = [fields(await store.get('s1')), fields(await db.store().get('s1'))]
    return { store, one, two }
  }

  it('if only one of them changed, added or deleted a property, that survives', async () => {
    const { store, one } = await twoLoaded({ kept: 1, changed: 1, deleted: 1 })
    const two = fields(await store.get('s1'))
    one.changed = 2
    delete one.deleted
    two.added = 3
    await store.set('s1', one)
    await store.set('s1', two)
    const { cookie: _, ...data } = await db.record('s1')
    expect(data).to.deep.equal({ userId: 'eva', kept: 1, changed: 2, added: 3 })
  })

  it('if both changed the same property, the later save wins, even with a deletion', async () => {
    const { store, one } = await twoLoaded({ a: 1, b: 1 })
    const two = fields(await store.get('s1'))
    Object.assign(one, { a: 'one', b: 'one' })
    two.a = 'two'
    delete two.b
    await store.set('s1', one)
    await store.set('s1', two)
    expect(await db.record('s1'))
      .to.include({ a: 'two' })
      .and.not.have.property('b')
  })

  it('an object that was saved before updates the data of that save', async () => {
    const { store, one } = await twoLoaded({ a: 1, b: 1 })
    const two = fields(await store.get('s1'))
    one.a = 2
    await store.set('s1', one)
    two.b = 2
    await store.set('s1', two)
    one.c = 3
    await store.set('s1', one)
    two.d = 4
    await store.set('s1', two)
    expect(await db.record('s1')).to.include({ a: 2, b: 2, c: 3, d: 4 })
  })

  it('holds for saves, touches and updates all at the same time, over two stores', async () => {
    const { store, one, two } = await twoLoaded({ role: 'admin' })
    const other = db.store()
    const again = fields(await other.get('s1'))
    one.cart = ['tea']
    again.seen = true
    await Promise.all([
      store.set('s1', one),
      other.set('s1', again),
      other.touch('s1', two),
      store.updateUser('eva', { role: 'user' } as never),
    ])
    expect(await db.record('s1')).to.deep.include({ cart: ['tea'], seen: true, role: 'user' })
  })

  it('a removed role does not come back with a shopping cart', async () => {
    const { store, one } = await twoLoaded({ role: 'admin' })
    await store.updateUser('eva', { role: 'user' } as never)
    one.cart = ['tea']
    await store.set('s1', one)
    await store.touch('s1', one)
    await store.set('s1', Object.assign(one, { more: 1 }))
    expect(await db.record('s1')).to.deep.include({ role: 'user', cart: ['tea'], more: 1 })
  })

  it('a sign-out of the user in one request is kept by another that only added something', async () => {
    const { store, one } = await twoLoaded({})
    const two = fields(await store.get('s1'))
    delete one.userId
    two.cart = ['tea']
    await store.set('s1', one)
    await store.set('s1', two)
    expect(await db.record('s1')).to.not.have.property('userId')
    expect(await db.keys()).to.deep.equal([db.sessionKey('s1')])
  })

  for (const work of ['touch', 'set'] as const) {
    it(`a remember-me in one request is kept by another, which lets it last from now: ${work}`, async () => {
      const { store, one } = await twoLoaded({})
      const two = fields(await store.get('s1'))
      one.cookie = usedCookie(0, 100 * HOUR)
      await store.touch('s1', one)
      two.cookie = usedCookie(0)
      const started = Date.now()
      if (work === 'set') two.cart = ['tea']
      await store[work]('s1', two)
      expect((await db.record('s1')).cookie.originalMaxAge).to.equal(100 * HOUR)
      if (work === 'set')
        expect(await db.expiry('s1')).to.be.within(started + 100 * HOUR, Date.now() + 100 * HOUR)
      else expect(await db.expiry('s1')).to.equal((one.cookie.expires as Date).getTime())
      expect(await db.index('eva')).to.deep.equal({ s1: await expectListed(db, 's1', 'eva') })
    })

    it(`a session that another request lets live until the browser closes does so: ${work}`, async () => {
      const { store, one } = await twoLoaded({})
      const two = fields(await store.get('s1'))
      one.cookie = cookie(null)
      await store.touch('s1', one)
      two.cookie = usedCookie(0)
      if (work === 'set') two.cart = ['tea']
      await store[work]('s1', two)
      expect((await db.record('s1')).cookie).to.include({ originalMaxAge: null, expires: null })
      await expectListed(db, 's1', 'eva')
    })
  }

  it('an expiry that the app has set outright stays, in overlapping saves too', async () => {
    const [store, other] = [db.store(), db.store()]
    await store.set('s1', newSession({ userId: 'eva' }))
    const end = Date.now() + 5 * MINUTE
    await updateSession({ ...db.options, sessionId: 's1', data: { expires: new Date(end).toISOString() } })
    const [mine, theirs] = [fields(await store.get('s1')), fields(await other.get('s1'))]
    await other.set('s1', Object.assign(theirs, { cart: ['tea'] }))
    await store.set('s1', Object.assign(mine, { theme: 'dark' }))
    expect(await db.record('s1')).to.deep.include({ cart: ['tea'], theme: 'dark' })
    expect(await db.expiry('s1')).to.equal(end)
    await expectListed(db, 's1', 'eva')
  })

  it('an expiry that the app sets outright in one of them is that of both', async () => {
    const [store, other] = [db.store(), db.store()]
    await store.set('s1', newSession({ userId: 'eva' }))
    const [mine, theirs] = [fields(await store.get('s1')), fields(await other.get('s1'))]
    await other.set('s1', Object.assign(theirs, { cart: ['tea'] }))
    const end = Date.now() + 2 * HOUR
    mine.cookie.expires = new Date(end)
    await store.set('s1', mine)
    expect(await db.record('s1')).to.deep.include({ cart: ['tea'] })
    expect(await db.expiry('s1')).to.equal(end)
    await expectListed(db, 's1', 'eva')
  })
})
