/** Odd session ids, users and prefixes stay apart. */
import { expect } from 'chai'
import { createSession, deleteSession, getUserSessions, readSession, updateSession } from '../../src/index.ts'
import { HOUR, inMs, rejection, useDatabase } from '../support/database.ts'
import { type Fields, fields, newSession } from '../support/sessions.ts'

const odd: Record<string, string> = {
  'a glob': '*',
  'a longer glob': 'a?[b-c]*\\',
  'like an index': 'a:sessions',
  'just the end of an index': ':sessions',
  'a hash tag': '{a}',
  'half a hash tag': 'a}{',
  'a space': ' ',
  'spaces and tabs': ' a\tb ',
  newlines: 'a\r\nb\n',
  'a zero byte': 'a\0b',
  '5000 characters': 'x'.repeat(5000),
  '5000 characters and one more': `${'x'.repeat(5000)}y`,
  emoji: '👩‍👩‍👧 🦄',
  'a letter in one piece': 'é',
  'the same letter in two pieces': 'e\u0301',
  __proto__name: '__proto__',
  constructor_name: 'constructor',
  hasOwnProperty_name: 'hasOwnProperty',
  quotes: `"'\``,
  'a colon': ':',
  'a slash': '../a',
  'a number': '42',
  zero: '0',
  'a cursor': '-1',
}
const names = Object.values(odd)

describe('Guarantee 3, owned: odd ids and users stay apart', () => {
  const db = useDatabase()

  it('in the store: each user has exactly one session, with its data', async () => {
    const store = db.store()
    await Promise.all(names.map((name) => store.set(name, newSession({ userId: name, mark: `of ${name}` }))))
    expect((await store.ids()).sort()).to.deep.equal([...names].sort())
    expect((await store.all()).map(({ id }) => id).sort()).to.deep.equal([...names].sort())
    for (const name of names) {
      expect(fields(await store.get(name)).mark).to.equal(`of ${name}`)
      const listed = await store.userSessions(name)
      expect(listed.map(({ sessionId, data }) => [sessionId, fields(data).mark])).to.deep.equal([
        [name, `of ${name}`],
      ])
    }
    expect(await db.keys()).to.have.lengthOf(2 * names.length)
  })

  it('in the functions: each user has exactly one session, with its data', async () => {
    const expires = inMs(HOUR)
    const data = (name: string) => ({ userId: name, expires, mark: `of ${name}` })
    await Promise.all(
      names.map((name) => createSession({ ...db.options, sessionId: name, data: data(name) })),
    )
    for (const name of names) {
      expect(await readSession({ ...db.options, sessionId: name })).to.deep.equal(data(name))
      expect(await getUserSessions({ ...db.options, userId: name })).to.deep.equal([
        { sessionId: name, data: data(name) },
      ])
    }
  })

  for (const [what, name] of Object.entries(odd)) {
    it(`signing out ${what} signs out no other user`, async () => {
      const store = db.store()
      for (const each of names) await store.set(each, newSession({ userId: each }))
      const others = names.filter((each) => each !== name)
      const [listed] = await store.userSessions(name)
      expect(await store.destroyUserSession(name, listed?.handle as string)).to.equal(true)
      expect(await store.destroyUser(name)).to.equal(0)
      await store.set(name, newSession({ userId: name }))
      await store.destroy(name)
      await store.set(name, newSession({ userId: name }))
      await store.set(`${name} too`, newSession({ userId: name }))
      expect(await store.destroyUser(name, { except: name })).to.equal(1)
      expect(await store.destroyUser(name)).to.equal(1)
      expect((await store.ids()).sort()).to.deep.equal([...others].sort())
      expect(await db.keys()).to.have.lengthOf(2 * others.length)
      expect(await store.destroyUserSession(others[0] as string, name)).to.equal(false)
    })
  }

  it('a session of nobody stays one, though its data names a user: functions and stores take it for nobody', async () => {
    const [id, store] = ['nobodys', db.store()]
    await db.store({ userId: () => null }).set(id, newSession({ userId: 'eva' }))
    await updateSession({ ...db.options, sessionId: id, data: { cart: ['tea'] } })
    await store.reindex()
    await store.set(id, Object.assign(fields(await store.get(id)), { views: 1 }) as never)
    expect(await db.record(id)).to.deep.include({ userId: 'eva', cart: ['tea'], views: 1 })
    expect(await getUserSessions({ ...db.options, userId: 'eva' })).to.deep.equal([])
    expect(await store.destroyUser('eva')).to.equal(0)
  })

  it('data may have properties of any name', async () => {
    const data = JSON.parse('{"__proto__":{"admin":true},"constructor":1,"toString":2,"length":3}') as Fields
    const expires = inMs(HOUR)
    const all = Object.defineProperty(
      { userId: 'eva', expires, constructor: 1, toString: 2, length: 3 },
      '__proto__',
      {
        value: { admin: true },
        enumerable: true,
      },
    )
    await createSession({ ...db.options, sessionId: 's1', data: all as never })
    await updateSession({ ...db.options, sessionId: 's1', data: { seen: true } })
    const read = (await readSession({ ...db.options, sessionId: 's1' })) as unknown as Fields
    expect(JSON.parse(JSON.stringify(read))).to.deep.equal(
      JSON.parse(JSON.stringify({ ...all, seen: true, ...data })),
    )
    expect(read.admin).to.equal(undefined)
    expect(({} as Fields).admin).to.equal(undefined)
  })

  it('a patch with __proto__ changes no prototype', async () => {
    const store = db.store()
    await store.set('s1', newSession({ userId: 'eva' }))
    await store.updateUser('eva', JSON.parse('{"__proto__":{"admin":true}}'))
    expect(await db.raw('s1')).to.include('"__proto__":{"admin":true}')
    const loaded = fields(await store.get('s1'))
    expect(loaded.admin).to.equal(undefined)
    expect(Object.getPrototypeOf(loaded)).to.equal(Object.prototype)
  })
})

describe('Prefixes', () => {
  const db = useDatabase()

  for (const glob of ['*', '?', '[ab]', '[^a]', '\\', 'a\\*', '{x}']) {
    it(`of glob characters match only themselves: ${glob}`, async () => {
      const own = db.prefixes.prefix
      const [globbed, plain] = [
        { prefix: `${own}${glob}:s:`, userPrefix: `${own}${glob}:u:` },
        { prefix: `${own}a:s:`, userPrefix: `${own}a:u:` },
      ]
      const [ours, theirs] = [db.store(globbed), db.store(plain)]
      for (const store of [ours, theirs]) await store.set('s1', newSession({ userId: 'eva' }))
      expect([await ours.ids(), await theirs.ids()]).to.deep.equal([['s1'], ['s1']])
      await ours.clear()
      expect([await ours.length(), await theirs.length()]).to.deep.equal([0, 1])
      expect(await theirs.userSessions('eva')).to.have.lengthOf(1)
      await theirs.clear()
      expect(await db.keys()).to.deep.equal([])
    })
  }

  const nested = {
    'that are the same': ['', ''],
    'of which the session’s begins with the user’s': ['s:', ''],
    'of which the user’s begins with the session’s': ['', 'u:'],
  }
  for (const [what, [session, user]] of Object.entries(nested)) {
    it(`${what}: indexes are no sessions`, async () => {
      const own = db.prefixes.prefix
      const prefixes = { prefix: own + session, userPrefix: own + user }
      const store = db.store(prefixes)
      await store.set('s1', newSession({ userId: 'eva' }))
      await store.set('s2', newSession({ userId: 's1' }))
      expect((await store.ids()).sort()).to.deep.equal(['s1', 's2'])
      expect(await store.length()).to.equal(2)
      expect(await store.all()).to.have.lengthOf(2)
      expect(await store.reindex()).to.deep.equal({ scanned: 2, indexed: 2 })
      expect(await store.userSessions('eva')).to.have.lengthOf(1)
      expect(await store.userSessions('s1')).to.have.lengthOf(1)
      await updateSession({
        client: db.client,
        ...prefixes,
        sessionId: 's1',
        data: { expires: inMs(9 * HOUR) },
      })
      expect(await getUserSessions({ client: db.client, ...prefixes, userId: 'eva' })).to.have.lengthOf(1)
      await store.clear()
      expect(await db.keys()).to.deep.equal([])
    })

    it(`${what}: a session id whose key would be an index is a TypeError in all calls with an id`, async () => {
      const own = db.prefixes.prefix
      const prefixes = { prefix: own + session, userPrefix: own + user }
      const store = db.store(prefixes)
      const id = session ? 'eva:sessions' : `${user}eva:sessions`
      await store.set('s1', newSession({ userId: 'eva' }))
      const before = await db.dump()
      const options = { client: db.client, ...prefixes, sessionId: id }
      for (const work of [
        store.get(id),
        store.set(id, newSession()),
        store.touch(id, newSession()),
        store.destroy(id),
        readSession(options),
        deleteSession(options),
        updateSession({ ...options, data: {} }),
        createSession({ ...options, data: { userId: 'eva', expires: inMs(HOUR) } }),
      ]) {
        expect(await rejection(work)).to.be.instanceOf(TypeError)
      }
      expect(await db.dump()).to.deep.equal(before)
    })
  }

  it('that are the same: an id that ends like an index but is that of no user is an id', async () => {
    const { prefix } = db.prefixes
    const store = db.store({ prefix, userPrefix: prefix })
    await store.set('sessions', newSession({ userId: 'eva' }))
    expect(await store.ids()).to.deep.equal(['sessions'])
    expect(await store.destroyUser('eva')).to.equal(1)
    expect(await db.keys()).to.deep.equal([])
  })

  it('that are empty', async () => {
    const own = db.prefixes.prefix
    const options = { client: db.client, prefix: '', userPrefix: '' }
    const store = db.store({ prefix: '', userPrefix: '' })
    await store.set(`${own}s1`, newSession({ userId: `${own}eva` }))
    expect(await store.userSessions(`${own}eva`)).to.have.lengthOf(1)
    expect(await getUserSessions({ ...options, userId: `${own}eva` })).to.have.lengthOf(1)
    expect(await store.ids())
      .to.include(`${own}s1`)
      .and.not.include(`${own}eva:sessions`)
    expect(await store.destroyUser(`${own}eva`)).to.equal(1)
    expect(await db.keys()).to.deep.equal([])
  })
})
