/**
 * Every wrong argument of every function and method causes a `TypeError`. It names the argument and the kind of its
 * value, and nothing is written.
 */
import { inspect } from 'node:util'
import { expect } from 'chai'
import { createClient } from 'redis'
import * as functions from '../../src/index.ts'
import { UserSessionStore } from '../../src/index.ts'
import { type Database, HOUR, inMs, rejection, useDatabase } from '../support/database.ts'
import { redisUrl } from '../support/hooks.ts'
import { cookie, type Fields, newSession } from '../support/sessions.ts'

type Anything = (...args: unknown[]) => Promise<unknown>
/** A wrong value, and its name in the message. */
type Bad = readonly [value: unknown, shown: string]

const LONE_SURROGATE = 'half\ud83d'
const circular: Fields = {}
circular.self = circular

const notStrings: Bad[] = [
  [null, 'null'],
  [42, '42'],
  [true, 'true'],
  [{ id: 's1' }, 'an object'],
  [['s1'], 'an array'],
]
const badSessionIds: Bad[] = [
  ...notStrings,
  [undefined, 'undefined'],
  ['', 'an empty string'],
  [LONE_SURROGATE, 'a string of 5 characters'],
]
const badUserIds: Bad[] = [
  [undefined, 'undefined'],
  [null, 'null'],
  ['', 'an empty string'],
  [true, 'true'],
  [Number.NaN, 'NaN'],
  [Number.POSITIVE_INFINITY, 'Infinity'],
  [10n, 'a bigint'],
  [{ id: 1 }, 'an object'],
  [['eva'], 'an array'],
  [LONE_SURROGATE, 'a string of 5 characters'],
]
const badObjects: Bad[] = [
  [undefined, 'undefined'],
  [null, 'null'],
  ['text', 'a string of 4 characters'],
  [42, '42'],
  [[1], 'an array'],
  [() => {}, 'a function'],
]
const badTimestamps: Bad[] = [
  [null, 'null'],
  ['', 'an empty string'],
  ['tomorrow', 'a string of 8 characters'],
  ['2999', 'a string of 4 characters'],
  ['2999-02-30T00:00:00Z', 'a string of 20 characters'],
  ['2999-13-01', 'a string of 10 characters'],
  ['2999-00-01', 'a string of 10 characters'],
  ['2999-01-00', 'a string of 10 characters'],
  ['2999-01-01T25:00:00Z', 'a string of 20 characters'],
  ['Thu, 01 Jan 2999 00:00:00 GMT', 'a string of 29 characters'],
  ['2999-01-01T00:00', 'a string of 16 characters'],
  ['2999-01-01T00:00:00', 'a string of 19 characters'],
  ['2999-01-01T00:00:00.000', 'a string of 23 characters'],
  [32_472_144_000_000, '32472144000000'],
  [new Date(32_472_144_000_000), 'an object of class Date'],
  [['2999-01-01'], 'an array'],
]
const badClients: Bad[] = [
  [undefined, 'undefined'],
  [null, 'null'],
  ['redis://localhost', 'a string of 17 characters'],
  [{}, 'an object'],
  [{ get() {} }, 'an object'],
  [Promise.resolve({}), 'a promise'],
  [createClient, 'a function'],
]

/** Makes two strings of the same length different in the title of a test. */
function titled(value: unknown, shown: string): string {
  return typeof value === 'string' && value ? inspect(value) : shown
}

/**
 * Fails unless the call rejects with a `TypeError` that names `name` and shows the value as `shown`. The database must
 * not change.
 */
async function refuses(
  db: Database,
  name: string,
  shown: string | undefined,
  work: () => unknown,
): Promise<void> {
  const before = await db.dump()
  const error = await rejection(Promise.resolve(work()))
  expect(error).to.be.instanceOf(TypeError)
  expect(error.message)
    .to.match(/ must be [^,]/)
    .and.to.include(`${name} must be`)
  expect(error.message.split(', got ')[1]).to.equal(shown)
  expect(await db.dump()).to.deep.equal(before)
}

async function fill(db: Database): Promise<void> {
  for (const sessionId of ['s1', 's2']) {
    const data = { userId: 'eva', expires: inMs(HOUR), sessionId }
    await functions.createSession({ ...db.options, sessionId, data })
  }
}

describe('Wrong arguments of the functions', () => {
  const db = useDatabase()
  beforeEach(() => fill(db))

  const good = () => ({ userId: 'eva', expires: inMs(HOUR) })
  const takes: Record<string, () => Fields> = {
    createSession: () => ({ sessionId: 's1', data: good() }),
    readSession: () => ({ sessionId: 's1' }),
    updateSession: () => ({ sessionId: 's1', data: { a: 1 } }),
    deleteSession: () => ({ sessionId: 's1' }),
    getUserSessions: () => ({ userId: 'eva' }),
    updateUserSessions: () => ({ userId: 'eva', data: { a: 1 } }),
    deleteUserSessions: () => ({ userId: 'eva' }),
  }

  for (const [name, args] of Object.entries(takes)) {
    const call = Reflect.get(functions, name) as Anything
    const with_ = (bad: Fields) => call({ ...db.options, ...args(), ...bad })
    const property = (argument: string, values: Bad[]) => {
      for (const [value, shown] of values) {
        it(`${name}: ${argument} that is ${titled(value, shown)}`, () =>
          refuses(db, argument, shown, () => with_({ [argument]: value })))
      }
    }

    describe(name, () => {
      property('client', badClients)
      property('prefix', notStrings)
      property('userPrefix', notStrings)
      if ('sessionId' in args()) {
        property(
          'sessionId',
          name === 'createSession' ? badSessionIds.filter(([id]) => id !== undefined) : badSessionIds,
        )
      }
      if ('userId' in args()) property('userId', badUserIds)
      if ('data' in args()) property('data', badObjects)
      for (const [value, shown] of badObjects) {
        it(`${name}: options that are ${shown}`, () => refuses(db, 'options', shown, () => call(value)))
      }
      if (!('data' in args())) return

      const data = (bad: Fields) => with_({ data: { ...(name === 'createSession' ? good() : {}), ...bad } })
      const created: Bad[] = name === 'createSession' ? [[undefined, 'undefined']] : []
      for (const [value, shown] of [
        ...notStrings,
        ...created,
        ['', 'an empty string'],
        [LONE_SURROGATE, 'a string of 5 characters'],
      ] as Bad[]) {
        it(`${name}: data.userId that is ${shown}`, () =>
          refuses(db, 'data.userId', shown, () => data({ userId: value })))
      }
      for (const [value, shown] of [...badTimestamps, ...created]) {
        it(`${name}: data.expires that is ${titled(value, shown)}`, () =>
          refuses(db, 'data.expires', shown, () => data({ expires: value })))
      }
      it(`${name}: data that JSON cannot hold`, async () => {
        await refuses(db, 'data', 'an object with a bigint in it', () => data({ amount: 10n }))
        await refuses(db, 'data', 'an object that refers to itself', () => data({ circular }))
      })
    })
  }

  it('wrong data is a TypeError even if there is nothing to update', async () => {
    const data = { amount: 10n }
    await refuses(db, 'data', 'an object with a bigint in it', () =>
      functions.updateSession({ ...db.options, sessionId: 'none', data }),
    )
    await refuses(db, 'data', 'an object with a bigint in it', () =>
      functions.updateUserSessions({ ...db.options, userId: 'nobody', data }),
    )
    await refuses(db, 'data', 'an object with a bigint in it', () =>
      db.store().updateUser('nobody', data as never),
    )
  })

  it('a cookie with which no session could be read again is a TypeError', async () => {
    const data = { cookie: { originalMaxAge: '1h' } }
    await functions.createSession({ ...db.options, sessionId: 's1', data: good() })
    const loaded = (await db.store().get('s1')) as never as object
    for (const work of [
      () => functions.createSession({ ...db.options, data: { ...good(), ...data } }),
      () => functions.updateSession({ ...db.options, sessionId: 's1', data }),
      () => functions.updateUserSessions({ ...db.options, userId: good().userId, data }),
      () => db.store().updateUser(good().userId, data as never),
      () => db.store().set('s1', Object.assign(loaded, data) as never),
    ]) {
      await refuses(db, 'cookie.originalMaxAge', 'a string of 2 characters', work)
    }
  })

  it('names a session id whose key would be a user index, if one prefix begins with the other', async () => {
    const prefixes = { prefix: db.prefixes.prefix, userPrefix: db.prefixes.prefix }
    await refuses(db, 'sessionId', 'a string of 12 characters', () =>
      functions.createSession({ client: db.client, ...prefixes, sessionId: 'eva:sessions', data: good() }),
    )
  })

  it('names an argument that cannot be looked at', async () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    await refuses(db, 'sessionId', 'an object', () =>
      functions.readSession({ ...db.options, sessionId: proxy as never }),
    )
  })
})

describe('Wrong options of the store', () => {
  const db = useDatabase()
  const bad: Record<string, Bad[]> = {
    client: badClients,
    prefix: notStrings,
    userPrefix: notStrings,
    userId: [
      [null, 'null'],
      ['userId', 'a string of 6 characters'],
      [{}, 'an object'],
    ],
    ttl: [
      [null, 'null'],
      ['60', 'a string of 2 characters'],
      [0, '0'],
      [-1, '-1'],
      [Number.NaN, 'NaN'],
      [Number.POSITIVE_INFINITY, 'Infinity'],
    ],
    disableTouch: [
      [null, 'null'],
      ['yes', 'a string of 3 characters'],
      [1, '1'],
    ],
    serializer: [
      [null, 'null'],
      [{ parse() {} }, 'an object'],
      [{ stringify() {} }, 'an object'],
      ['JSON', 'a string of 4 characters'],
      [() => {}, 'a function'],
    ],
    scanCount: [
      [null, 'null'],
      [0, '0'],
      [-5, '-5'],
      [1.5, '1.5'],
      ['10', 'a string of 2 characters'],
    ],
  }

  for (const [name, values] of Object.entries(bad)) {
    for (const [value, shown] of values) {
      it(`${name} that is ${titled(value, shown)}`, () => {
        const make = () => new UserSessionStore({ ...db.options, [name]: value } as never)
        expect(make)
          .to.throw(TypeError, `${name} must be`)
          .with.property('message')
          .that.matches(new RegExp(`, got ${shown}$`))
      })
    }
  }

  for (const [value, shown] of badObjects) {
    it(`options ${shown}`, () => {
      expect(() => new UserSessionStore(value as never)).to.throw(TypeError, `options must be an object, got`)
    })
  }

  it('a client with keyPrefix, which SCAN ignores', async () => {
    const client = createClient({ url: redisUrl(), keyPrefix: 'app:' })
    expect(() => db.store({ client }))
      .to.throw(TypeError, 'client must be')
      .with.property('message')
      .that.includes('keyPrefix')
    await refuses(db, 'client', undefined, () =>
      functions.readSession({ ...db.options, client, sessionId: 's1' }),
    )
  })

  it('an option that is undefined has its default', () => {
    const nothing = { prefix: undefined, userPrefix: undefined, userId: undefined, ttl: undefined }
    const none = { disableTouch: undefined, serializer: undefined, scanCount: undefined }
    expect(() => new UserSessionStore({ client: db.client, ...nothing, ...none })).to.not.throw()
  })
})

describe('Wrong arguments of the store', () => {
  const db = useDatabase()
  beforeEach(() => fill(db))

  const calls: Record<string, { good: unknown[]; bad: [position: number, name: string, values: Bad[]][] }> = {
    get: { good: ['s1'], bad: [[0, 'sessionId', badSessionIds]] },
    set: {
      good: ['s1', newSession()],
      bad: [
        [0, 'sessionId', badSessionIds],
        [1, 'session', badObjects],
        [
          1,
          'session.userId',
          // '', null and undefined in a session mean that it is anonymous.
          badUserIds.filter(([id]) => id != null && id !== '').map(([id, shown]) => [{ userId: id }, shown]),
        ],
        [1, 'session.cookie.expires', [[{ cookie: { expires: 'soon' } }, 'a string of 4 characters']]],
        [1, 'session data', [[{ amount: 10n }, 'an object with a bigint in it']]],
        [1, 'session data', [[{ circular }, 'an object that refers to itself']]],
      ],
    },
    touch: {
      good: ['s1', newSession()],
      bad: [
        [0, 'sessionId', badSessionIds],
        [1, 'session', badObjects],
        [1, 'session.cookie.expires', [[{ cookie: { expires: 'soon' } }, 'a string of 4 characters']]],
      ],
    },
    destroy: { good: ['s1'], bad: [[0, 'sessionId', badSessionIds]] },
    userSessions: { good: ['eva'], bad: [[0, 'userId', badUserIds]] },
    destroyUser: {
      good: ['eva', { except: 's1' }],
      bad: [
        [0, 'userId', badUserIds],
        [1, 'options', badObjects.filter(([value]) => value !== undefined && typeof value !== 'function')],
        [
          1,
          'options.except',
          badSessionIds.filter(([id]) => id !== undefined).map(([id, shown]) => [{ except: id }, shown]),
        ],
      ],
    },
    destroyUserSession: {
      good: ['eva', 's1'],
      bad: [
        [0, 'userId', badUserIds],
        [1, 'handle', badSessionIds],
      ],
    },
    updateUser: {
      good: ['eva', { a: 1 }],
      bad: [
        [0, 'userId', badUserIds],
        [1, 'data', badObjects],
        [1, 'data.expires', badTimestamps.map(([at, shown]) => [{ expires: at }, shown])],
        [1, 'session.cookie.expires', [[{ cookie: { expires: 'soon' } }, 'a string of 4 characters']]],
        [1, 'session data', [[{ amount: 10n }, 'an object with a bigint in it']]],
      ],
    },
    reindex: {
      good: [{}],
      bad: [
        [0, 'options', badObjects.filter(([value]) => value != null && typeof value !== 'function')],
        [0, 'options.onProgress', [[{ onProgress: 'log' }, 'a string of 3 characters']]],
        [0, 'options.signal', [[{ signal: 5000 }, '5000']]],
      ],
    },
  }

  for (const [method, { good, bad }] of Object.entries(calls)) {
    describe(method, () => {
      const call = (args: unknown[]) => {
        const store = db.store()
        return (Reflect.get(store, method) as Anything).apply(store, args)
      }
      for (const [position, name, values] of bad) {
        for (const [value, shown] of values) {
          const args = good.with(position, value)
          it(`${method}: ${name} that is ${titled(value, shown)}`, () =>
            refuses(db, name, shown, () => call(args)))
          it(`${method}: ${name} that is ${titled(value, shown)}, to a callback`, () =>
            refuses(db, name, shown, () => withCallback((callback) => call([...args, callback]))))
        }
      }
    })
  }

  it('a ttl function that answers with no number of seconds', async () => {
    for (const [ttl, shown] of [
      [Number.NaN, 'NaN'],
      ['60', 'a string of 2 characters'],
      [undefined, 'undefined'],
    ] as Bad[]) {
      const store = db.store({ ttl: () => ttl as never })
      await refuses(db, 'ttl(session)', shown, () => store.set('s3', newSession({}, cookie(null))))
    }
  })

  it('a userId function that answers with no user id', async () => {
    const store = db.store({ userId: () => ({}) as never })
    await refuses(db, 'session.userId', 'an object', () => store.set('s3', newSession()))
  })

  it('a serializer that answers with no string', async () => {
    const store = db.store({ serializer: { parse: JSON.parse, stringify: () => 42 as never } })
    await refuses(db, 'serializer.stringify(session)', '42', () => store.set('s3', newSession()))
  })

  it('numbers and strings name the same user', async () => {
    const store = db.store()
    await store.set('n1', newSession({ userId: 42 }))
    await store.set('n2', newSession({ userId: '42' }))
    expect(await store.userSessions(42)).to.have.lengthOf(2)
    expect(await store.userSessions('42')).to.have.lengthOf(2)
    expect(await store.destroyUser(42)).to.equal(2)
    expect(await store.destroyUser(0)).to.equal(0)
    expect(await store.destroyUser(-1.5)).to.equal(0)
  })
})

function withCallback(
  call: (callback: (error: unknown, result?: unknown) => void) => unknown,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    call((error, result) => (error ? reject(error) : resolve(result)))
  })
}
