/**
 * Options of the store and the functions: unknown names, the forms of maxUserSessions and serializer, and the default
 * userPrefix.
 */
import { expect } from 'chai'
import { checkOptions } from '../../src/api/options.ts'
import * as functions from '../../src/index.ts'
import { UserSessionStore } from '../../src/index.ts'
import { HOUR, inMs, rejection, useDatabase } from '../support/database.ts'
import { fields, newSession } from '../support/sessions.ts'

type Anything = (options: object) => Promise<unknown>

describe('An unknown option', () => {
  const db = useDatabase()
  beforeEach(async () => {
    const data = { userId: 'eva', expires: inMs(HOUR) }
    for (const sessionId of ['s1', 's2']) await functions.createSession({ ...db.options, sessionId, data })
  })

  async function refused(work: () => unknown, ...words: string[]): Promise<void> {
    const before = await db.dump()
    const error = await rejection(Promise.resolve().then(work))
    expect(error).to.be.instanceOf(TypeError)
    for (const word of words) expect(error.message).to.include(word)
    expect(await db.dump()).to.deep.equal(before)
  }

  const typos = {
    prefx: 'prefix',
    userprefix: 'userPrefix',
    maxUserSession: 'maxUserSessions',
    absolutTTL: 'absoluteTtl',
    touchIntervall: 'touchInterval',
    subscribers: 'subscriber',
    waitForReplica: 'waitForReplicas',
    serialiser: 'serializer',
  }
  for (const [typo, meant] of Object.entries(typos)) {
    it(`of the store, ${typo}, is refused: ${meant} was meant`, () =>
      refused(() => db.store({ [typo]: 1 } as object), `'${typo}'`, `'${meant}'`))
  }

  it('of the store that is near to none is refused, and the known ones are listed', () =>
    refused(() => db.store({ secret: 'hunter2' } as object), "'secret'", 'client', 'scanCount'))

  it('a subscriber that is the client itself is refused', () =>
    refused(() => db.store({ subscriber: db.client as never }), 'subscriber', 'second client'))

  it('a client in place of the options is refused, and the error says how to pass it', () =>
    refused(() => new UserSessionStore(db.client as never), 'options', '{ client }'))

  it('options of a class with methods like those of a client are accepted', () => {
    const methods = { get() {}, set() {}, scan() {} }
    expect(new UserSessionStore(Object.create({ ...methods, client: db.client })).get).to.be.a('function')
  })

  it('null in place of the options is refused', async () => {
    await refused(() => db.store().reindex(null as never), 'options')
    await refused(() => db.store().destroyUser('eva', null as never), 'options')
  })

  it('of destroyUser is refused, and no session is signed out', async () => {
    const store = db.store()
    await refused(() => store.destroyUser('eva', { exept: 's1' } as object), "'exept'", "'except'")
    await refused(
      () => new Promise((_, reject) => store.destroyUser('eva', { Except: 's1' } as object, reject)),
      "'except'",
    )
  })

  it('of reindex is refused', () =>
    refused(() => db.store().reindex({ onprogress() {} } as object), "'onProgress'"))

  it('of waitForReplicas is refused, in store and functions', async () => {
    const waitForReplicas = { count: 1, timeout: 10, timout: 10 }
    await refused(() => db.store({ waitForReplicas }), 'waitForReplicas', "'timeout'")
    const mistyped = { count: 1, timeOut: 10 } as never
    await refused(() => db.store({ waitForReplicas: mistyped }), 'waitForReplicas', "'timeout'")
    await refused(
      () => functions.deleteSession({ ...db.options, sessionId: 's1', waitForReplicas }),
      'waitForReplicas',
    )
    await refused(
      () => functions.deleteUserSessions({ ...db.options, userId: 'eva', waitForReplicas }),
      'waitForReplicas',
    )
  })

  it('of maxUserSessions is refused', () =>
    refused(() => db.store({ maxUserSessions: { limit: 1, onlimit: 'reject' } as never }), "'onLimit'"))

  const data = { userId: 'eva', expires: inMs(HOUR) }
  const calls: Record<string, object> = {
    createSession: { data },
    readSession: { sessionId: 's1' },
    updateSession: { sessionId: 's1', data: { a: 1 } },
    deleteSession: { sessionId: 's1' },
    getUserSessions: { userId: 'eva' },
    updateUserSessions: { userId: 'eva', data: { a: 1 } },
    deleteUserSessions: { userId: 'eva' },
  }
  for (const [name, args] of Object.entries(calls)) {
    const call = Reflect.get(functions, name) as Anything

    it(`of ${name} is refused`, async () => {
      await refused(() => call({ ...db.options, ...args, prefx: 'sess:' }), "'prefx'", "'prefix'")
      await refused(() => call({ ...db.options, ...args, userprefix: 'u:' }), "'userPrefix'")
      await refused(() => call({ ...db.options, ...args, ttl: 60 }), "'ttl'")
    })
  }

  it('of a function is refused, even if another function accepts it', async () => {
    const { deleteUserSessions, getUserSessions, readSession } = functions as never as Record<
      string,
      Anything
    >
    const wait = { waitForReplicas: { count: 1, timeout: 10 } }
    await refused(() => readSession?.({ ...db.options, sessionId: 's1', ...wait }), 'waitForReplicas')
    await refused(() => getUserSessions?.({ ...db.options, userId: 'eva', sessionId: 's1' }), "'sessionId'")
    await refused(() => deleteUserSessions?.({ ...db.options, userId: 'eva', data: {} }), "'data'")
  })

  it('userId is a function if a call is about one session, and an id if it is about a user', async () => {
    const { getUserSessions, readSession } = functions as never as Record<string, Anything>
    await refused(() => readSession?.({ ...db.options, sessionId: 's1', userId: 'eva' }), 'userId must be a')
    await refused(() => getUserSessions?.({ ...db.options, userId: () => 'eva' }), 'got a function')
    const userId = (session: { userId?: string }) => session.userId
    expect(await readSession?.({ ...db.options, sessionId: 's1', userId })).to.include({ userId: 'eva' })
  })
})

describe('The options that are checked', () => {
  const db = useDatabase()
  const checked = (options: object = {}) => checkOptions({ client: db.client, ...options })

  it('have a userPrefix of their own for each prefix', () => {
    expect(checked()).to.include({ prefix: 'session:', userPrefix: 'user:' })
    expect(checked({ prefix: 'sess:' })).to.include({ userPrefix: 'user:sess:' })
    expect(checked({ prefix: '' })).to.include({ userPrefix: 'user:' })
    expect(checked({ prefix: 'sess:', userPrefix: 'user:' })).to.include({ userPrefix: 'user:' })
  })

  it('do not set the touchInterval by default, and accept 0', () => {
    expect(checked().touchInterval).to.equal(undefined)
    expect(checked({ touchInterval: undefined }).touchInterval).to.equal(undefined)
    expect(checked({ touchInterval: 0 }).touchInterval).to.equal(0)
    expect(checked({ touchInterval: 0.5 }).touchInterval).to.equal(0.5)
    for (const touchInterval of [-1, Number.NaN, '60', null]) {
      expect(() => checked({ touchInterval })).to.throw(TypeError, 'touchInterval must be')
    }
  })

  it('have one form of maxUserSessions', () => {
    const limit = () => 3
    expect(checked().maxUserSessions).to.equal(undefined)
    expect(checked({ maxUserSessions: 2 }).maxUserSessions).to.deep.equal({ limit: 2, onLimit: 'evict' })
    expect(checked({ maxUserSessions: limit }).maxUserSessions).to.deep.equal({ limit, onLimit: 'evict' })
    for (const onLimit of ['evict', 'reject']) {
      const maxUserSessions = { limit, onLimit }
      expect(checked({ maxUserSessions }).maxUserSessions).to.deep.equal(maxUserSessions)
    }
    expect(checked({ maxUserSessions: { limit: 1 } }).maxUserSessions).to.deep.equal({
      limit: 1,
      onLimit: 'evict',
    })
  })

  const badLimits: [value: unknown, name: string][] = [
    [0, 'maxUserSessions'],
    [1.5, 'maxUserSessions'],
    ['3', 'maxUserSessions'],
    [null, 'maxUserSessions'],
    [[3], 'maxUserSessions'],
    [{}, 'maxUserSessions.limit'],
    [{ limit: 0 }, 'maxUserSessions.limit'],
    [{ limit: '3' }, 'maxUserSessions.limit'],
    [{ limit: 3, onLimit: 'refuse' }, 'maxUserSessions.onLimit'],
    [{ limit: 3, onLimit: null }, 'maxUserSessions.onLimit'],
  ]
  for (const [maxUserSessions, name] of badLimits) {
    it(`refuse maxUserSessions ${JSON.stringify(maxUserSessions)}`, () => {
      expect(() => checked({ maxUserSessions })).to.throw(TypeError, `${name} must be`)
    })
  }

  it('may be getters of a class', async () => {
    const { client, prefixes } = db
    class Options {
      client = client
      get prefix() {
        return prefixes.prefix
      }
      get userPrefix() {
        return prefixes.userPrefix
      }
      get maxUserSessions() {
        return 1
      }
    }
    const store = new UserSessionStore(new Options())
    for (const id of ['s1', 's2']) await store.set(id, newSession({ userId: 'eva' }))
    expect(await db.keys()).to.have.members([db.sessionKey('s2'), db.indexKey('eva')])
  })

  it('accept a serializer that is a class or a function', async () => {
    // biome-ignore lint/complexity/noStaticOnlyClass: that is what is tested
    class Codec {
      static mark = '~'
      static parse(text: string) {
        return JSON.parse(text.slice(Codec.mark.length))
      }
      static stringify(data: unknown) {
        return Codec.mark + JSON.stringify(data)
      }
    }
    const codec = Object.assign(() => {}, { parse: JSON.parse, stringify: JSON.stringify })
    for (const serializer of [Codec, codec]) {
      const store = db.store({ serializer })
      await store.set('s1', newSession({ userId: 'eva' }))
      expect(fields(await store.get('s1')).userId).to.equal('eva')
      await store.destroy('s1')
    }
  })
})

describe('A user id that is an object', () => {
  const db = useDatabase()
  /** As MongoDB has it. */
  const id = { toJSON: () => '65f0c0ffee', toString: () => '65f0c0ffee' }

  it('is accepted by every method and function with a user id', async () => {
    const store = db.store()
    const signIn = (sessionId: string) => store.set(sessionId, newSession({ userId: '65f0c0ffee' }))
    await signIn('s1')
    await signIn('s2')
    expect(await store.userSessions(id)).to.have.lengthOf(2)
    expect(await functions.getUserSessions({ ...db.options, userId: id })).to.have.lengthOf(2)
    expect(await store.updateUser(id, { role: 'admin' } as never)).to.equal(2)
    await functions.updateUserSessions({ ...db.options, userId: id, data: { theme: 'dark' } })
    expect(fields(await store.get('s1'))).to.include({ role: 'admin', theme: 'dark' })
    expect(await store.destroyUserSession(id, 's1')).to.equal(true)
    expect(await store.destroyUser(id)).to.equal(1)
    await signIn('s3')
    await functions.deleteUserSessions({ ...db.options, userId: id })
    expect(await store.length()).to.equal(0)
  })
})

describe('Two prefixes without a userPrefix', () => {
  const db = useDatabase()

  it('make two stores: neither sees or signs out sessions of the other', async () => {
    const { client, prefixes } = db
    const [shop, admin] = ['shop:', 'admin:'].map(
      (name) => new UserSessionStore({ client, prefix: prefixes.prefix + name }),
    ) as [UserSessionStore, UserSessionStore]
    await shop.set('phone', newSession({ userId: '7' }))
    await shop.set('lost', newSession({ userId: '7' }))
    await admin.set('desk', newSession({ userId: '7' }))
    expect(await admin.userSessions('7')).to.have.lengthOf(1)
    expect(await shop.userSessions('7')).to.have.lengthOf(2)
    expect(await shop.destroyUser('7', { except: 'phone' })).to.equal(1)
    expect(await shop.get('lost')).to.equal(null)
    const prefix = `${prefixes.prefix}shop:`
    expect(await functions.getUserSessions({ client, prefix, userId: '7' })).to.have.lengthOf(1)
    await shop.clear()
    await admin.clear()
  })
})
