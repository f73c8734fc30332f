/** Every method of the store accepts a Node callback too, and calls it exactly once in every case. */
import { expect } from 'chai'
import { CorruptSessionError, type UserSessionStore } from '../../src/index.ts'
import { rejection, useDatabase } from '../support/database.ts'
import { newSession } from '../support/sessions.ts'

type Outcome = [error: unknown, result?: unknown]
type Method = (...args: unknown[]) => Promise<unknown>

const methods: Record<string, unknown[]> = {
  get: ['s1'],
  set: ['s1', newSession({ userId: 'eva' })],
  touch: ['s1', newSession({ userId: 'eva' })],
  destroy: ['s1'],
  all: [],
  ids: [],
  length: [],
  clear: [],
  userSessions: ['eva'],
  destroyUser: ['eva', { except: 's2' }],
  destroyUserSession: ['eva', 's1'],
  updateUser: ['eva', { role: 'admin' }],
  reindex: [{}],
}

/** The methods with options, called without them. */
const optionless: [string, unknown[]][] = [
  ['destroyUser', ['eva']],
  ['reindex', []],
]

describe('Callbacks of the store', () => {
  const db = useDatabase()

  async function filled(): Promise<UserSessionStore> {
    const store = db.store()
    for (const sessionId of ['s1', 's2']) await store.set(sessionId, newSession({ userId: 'eva' }))
    return store
  }

  /** The promise, and the callback's arguments each time it is called. */
  function call(store: UserSessionStore, name: string, args: unknown[]) {
    const calls: Outcome[] = []
    const promise = (Reflect.get(store, name) as Method).call(store, ...args, (...outcome: Outcome) => {
      calls.push(outcome)
    })
    return { promise, calls }
  }

  for (const [name, args] of [...Object.entries(methods), ...optionless]) {
    it(`${name}(${args.length > 0 ? '…, ' : ''}callback): it gets null and the result of the promise, after the call has returned`, async () => {
      const { promise, calls } = call(await filled(), name, args)
      expect(calls).to.deep.equal([])
      const result = await promise
      await everythingSettled(db.client)
      expect(calls).to.deep.equal([[null, result]])
      expect(calls[0]?.[1]).to.equal(result)
    })

    it(`${name}: the callback gets the error that the promise rejects with`, async () => {
      const store = db.store({ client: await closedClient() })
      const { promise, calls } = call(store, name, args)
      const error = await rejection(promise)
      await everythingSettled(db.client)
      expect(calls).to.have.lengthOf(1)
      expect(calls[0]).to.deep.equal([error])
      expect(calls[0]?.[0]).to.equal(error)
    })

    it(`${name}: the promise works without a callback, and resolves to the same`, async () => {
      const withCallback = await call(await filled(), name, args).promise
      await db.store().clear()
      const store = await filled()
      const without = await (Reflect.get(store, name) as Method).apply(store, args)
      expect(typeof without).to.equal(typeof withCallback)
    })

    it(`${name}: a callback that throws is called once, and its error reaches the process`, async () => {
      const store = await filled()
      let calls = 0
      const thrown = uncaught(() => {
        const promise = (Reflect.get(store, name) as Method).call(store, ...args, () => {
          calls++
          throw new Error(`thrown in the callback of ${name}`)
        })
        return promise
      })
      expect((await thrown).message).to.equal(`thrown in the callback of ${name}`)
      await everythingSettled(db.client)
      expect(calls).to.equal(1)
    })

    it(`${name}: a callback that throws at an error is called once`, async () => {
      const store = db.store({ client: await closedClient() })
      let calls = 0
      const thrown = uncaught(() => {
        // No code looks at this promise, because its callback gets the error.
        ;(Reflect.get(store, name) as Method).call(store, ...args, (error: Error) => {
          calls++
          throw new Error('thrown again', { cause: error })
        })
      })
      expect((await thrown).message).to.equal('thrown again')
      await everythingSettled(db.client)
      expect(calls).to.equal(1)
    })
  }

  it('a rejection that a callback has taken is not an unhandled one', async () => {
    await db.client.set(db.sessionKey('bad'), '{')
    const unhandled: unknown[] = []
    const listener = (reason: unknown) => unhandled.push(reason)
    process.on('unhandledRejection', listener)
    try {
      const error = await new Promise((resolve) => void db.store().get('bad', resolve))
      expect(error).to.be.instanceOf(CorruptSessionError)
      await everythingSettled(db.client)
      expect(unhandled).to.deep.equal([])
    } finally {
      process.off('unhandledRejection', listener)
    }
  })

  const short: [name: string, before: unknown[]][] = [
    ['get', []],
    ['set', ['s1']],
    ['set', []],
    ['touch', ['s1']],
    ['destroy', []],
    ['load', []],
    ['userSessions', []],
    ['destroyUser', []],
    ['destroyUserSession', ['eva']],
    ['updateUser', ['eva']],
  ]
  for (const [name, before] of short) {
    it(`${name}: a callback in the place of a missing argument gets the error, after ${before.length} arguments`, async () => {
      const { promise, calls } = call(db.store(), name, before)
      const error = await rejection(promise)
      await everythingSettled(db.client)
      expect(error).to.be.instanceOf(TypeError)
      expect(calls).to.deep.equal([[error]])
    })
  }

  it('a class in the place of an argument is refused, and not called', async () => {
    for (const value of [class Session {}, Map, Promise]) {
      for (const call of [
        () => db.store().set('s1', value as never),
        () => db.store().get(value as never),
        () => db.store().updateUser('eva', value as never),
        () => db.store().destroyUser('eva', value as never),
        () => db.store().reindex(value as never),
      ]) {
        expect(await rejection(call())).to.be.instanceOf(TypeError)
      }
    }
    await everythingSettled(db.client)
  })

  it('destroyUser accepts its callback with and without options', async () => {
    const store = await filled()
    const two = (...args: unknown[]) =>
      new Promise(
        (resolve) => void (store.destroyUser as Method)('eva', ...args, (...all: Outcome) => resolve(all)),
      )
    expect(await two({ except: 's2' })).to.deep.equal([null, 1])
    expect(await two(undefined)).to.deep.equal([null, 1])
    expect(await two()).to.deep.equal([null, 0])
  })

  it('a callback that calls the store again gets its answers', async () => {
    const store = await filled()
    const ids = await new Promise((resolve) => {
      store.destroy('s1', () => {
        store.ids((_error, result) => resolve(result))
      })
    })
    expect(ids).to.deep.equal(['s2'])
  })

  /** Ways in which an app replaces a method of a store. */
  const overrides: Record<string, (given: Method) => Method> = {
    'with a callback': (given) =>
      ((id: string, callback: (...outcome: Outcome) => void) => {
        void given(id, (...outcome: Outcome) => callback(...outcome))
      }) as never,
    'that awaits, and then calls back': (given) =>
      (async (id: string, callback: (...outcome: Outcome) => void) => {
        const result = await given(id)
        callback(null, result)
      }) as never,
    'that passes all arguments on': (given) =>
      function (this: unknown, ...args: unknown[]) {
        return given(...args)
      },
    'that returns a promise': (given) => (async (id: string) => given(id)) as never,
  }
  for (const [what, override] of Object.entries(overrides)) {
    it(`regenerate and load use a method ${what}, and wait for it`, async () => {
      const store = await filled()
      for (const name of ['get', 'destroy']) {
        const given = Reflect.get(store, name) as Method
        Reflect.set(store, name, override(given.bind(store) as Method))
      }
      const generated: (string | null)[] = []
      store.generate = (req) => {
        void db.raw('s1').then((raw) => generated.push(raw))
        Object.assign(req, { session: {} })
      }
      expect(await store.load('s2')).to.include({ userId: 'eva' })
      expect(await store.load('s3')).to.equal(undefined)
      await store.regenerate({ sessionID: 's1' } as never)
      await everythingSettled(db.client)
      expect(generated).to.deep.equal([null])
    })
  }

  it('regenerate and load reject with the error of a method that an app has replaced', async () => {
    const failing: Method[] = [
      ((_id: string, callback: (...outcome: Outcome) => void) => callback(new Error('replaced'))) as never,
      () => Promise.reject(new Error('replaced')),
      () => {
        throw new Error('replaced')
      },
    ]
    for (const method of failing) {
      const store = Object.assign(await filled(), { get: method, destroy: method })
      expect((await rejection(store.load('s1'))).message).to.equal('replaced')
      const regenerated = store.regenerate({ sessionID: 's1', session: {} } as never)
      expect((await rejection(regenerated)).message).to.equal('replaced')
    }
  })

  it('generate is called as a method of the store', () => {
    const store = db.store()
    const seen: unknown[] = []
    store.generate = function (this: unknown) {
      seen.push(this)
    }
    store.generate({ session: {} } as never)
    expect(seen).to.deep.equal([store])
  })

  async function closedClient() {
    const client = db.client.duplicate()
    client.on('error', () => {})
    await client.connect()
    await client.close()
    return client
  }
})

/** Resolves after all pending work has run: microtasks, ticks, and an answer from Redis. */
async function everythingSettled(client: { ping(): Promise<unknown> }): Promise<void> {
  await client.ping()
  await new Promise((resolve) => setImmediate(resolve))
}

/** The first error that reaches the process because of `work`, in place of mocha's handling of it. */
async function uncaught(work: () => unknown): Promise<Error> {
  const names = ['uncaughtException', 'unhandledRejection'] as const
  const listeners = names.map((name) => process.rawListeners(name) as (() => void)[])
  for (const name of names) process.removeAllListeners(name)
  try {
    return await new Promise((resolve, reject) => {
      process.once('uncaughtException', (error, origin) => {
        // A promise would cause 'unhandledRejection'. This is an error that a Node callback throws.
        if (origin === 'uncaughtException') resolve(error)
        else reject(new Error(`it came as ${origin}`, { cause: error }))
      })
      work()
    })
  } finally {
    for (const [n, name] of names.entries()) {
      process.removeAllListeners(name)
      for (const listener of listeners[n] ?? []) process.on(name, listener)
    }
  }
}
