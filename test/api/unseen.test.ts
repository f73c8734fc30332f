/** No call of a store or session ends the process or leaves an unhandled rejection, in any calling style. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { compileFunction, runInThisContext } from 'node:vm'
import { expect } from 'chai'
import express, { type Request } from 'express'
import type session from 'express-session'
import { createSession, type UserSessionStore } from '../../src/index.ts'
import { appWith, browser, cookieFor, type Handler, SECRET } from '../support/app.ts'
import { inMs, MINUTE, rejection, useDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { cookie, newSession } from '../support/sessions.ts'

type Method = (...args: unknown[]) => Promise<unknown>
type Failed = { method: string; error: unknown }

const request = () => ({ sessionID: 's1' }) as Request

const methods: Record<string, () => unknown[]> = {
  get: () => ['s1'],
  load: () => ['s1'],
  set: () => ['s1', newSession({ userId: 'eva' })],
  touch: () => ['s1', newSession({ userId: 'eva' })],
  destroy: () => ['s1'],
  regenerate: () => [request()],
  all: () => [],
  ids: () => [],
  length: () => [],
  clear: () => [],
  userSessions: () => ['eva'],
  destroyUser: () => ['eva', { except: 's2' }],
  destroyUserSession: () => ['eva', 's1'],
  updateUser: () => ['eva', { role: 'admin' }],
  reindex: () => [{}],
  checkRevoked: () => [],
}

/** The ways to pass no callback. */
const styles: Record<string, unknown[]> = { 'no callback': [], undefined: [undefined], null: [null] }

describe('A call whose promise no code looks at', () => {
  const db = useDatabase()

  for (const [name, args] of Object.entries(methods)) {
    for (const [style, last] of Object.entries(styles)) {
      it(`${name} with ${style}: a failure is an event, once`, async () => {
        const { store, failed } = await failingStore()
        await quietly(async () => {
          void (Reflect.get(store, name) as Method).call(store, ...args(), ...last)
          await eventually('the event', () => failed.length > 0)
          await aMoment()
        })
        expect(failed.map(({ method }) => method)).to.deep.equal([name])
        expect(failed[0]?.error).to.be.instanceOf(Error)
      })
    }

    it(`${name}: a promise that code looks at rejects, and emits no event`, async () => {
      const { store, failed } = await failingStore()
      const call = () => (Reflect.get(store, name) as Method).call(store, ...args())
      await quietly(async () => {
        const error = await rejection(call())
        expect(error).to.be.instanceOf(Error)
        expect(await call().catch((caught: Error) => caught.message)).to.equal(error.message)
        await expectRejection(Promise.all([call()]))
        await expectRejection(call().finally(() => {}))
        await expectRejection((async () => call())())
        const dropped = call()
        await call().catch(() => {})
        await aMoment()
        expect(failed.map(({ method }) => method)).to.deep.equal([name])
        expect((await rejection(dropped)).message).to.equal(error.message)
      })
    })

    it(`${name}: a callback of a wrong type is refused, and nothing is written`, async () => {
      const store = db.store()
      await store.set('s1', newSession({ userId: 'eva', expires: inMs(MINUTE) }))
      store.onRevoked('gone', () => {})
      const before = await db.dump()
      for (const wrong of ['x', 7, {}, true, Promise.resolve()]) {
        const error = await rejection((Reflect.get(store, name) as Method).call(store, ...args(), wrong))
        expect(error).to.be.instanceOf(TypeError)
        expect(error.message).to.match(/callback|options/)
      }
      expect(await db.dump()).to.deep.equal(before)
    })
  }

  it('close too', async () => {
    const { store, failed } = await failingStore()
    await quietly(async () => {
      void store.close('x' as never)
      await eventually('the event', () => failed.length > 0)
    })
    expect(failed.map(({ method }) => method)).to.deep.equal(['close'])
  })

  it('the two callbacks of a method with options are told apart', async () => {
    const callback = () => {}
    for (const name of ['destroyUser', 'reindex']) {
      const args = name === 'destroyUser' ? ['eva'] : []
      const error = await rejection(
        (Reflect.get(db.store(), name) as Method).call(db.store(), ...args, callback, callback),
      )
      expect(error, name).to.be.instanceOf(TypeError)
    }
  })

  it('the next of sessions() too', async () => {
    const { store, failed } = await failingStore()
    await quietly(async () => {
      void store.sessions().next()
      await eventually('the event', () => failed.length > 0)
      await expectRejection(store.sessions().next())
      await aMoment()
    })
    expect(failed.map(({ method }) => method)).to.deep.equal(['sessions'])
  })

  it('sessions() ends early as any iterator', async () => {
    const store = db.store()
    for (const id of ['s1', 's2', 's3']) await store.set(id, newSession({ userId: 'eva' }))
    let seen = 0
    for await (const session of store.sessions()) {
      expect(session.id).to.match(/^s\d$/)
      seen++
      if (seen === 2) break
    }
    expect(seen).to.equal(2)
  })

  it('a revocation that no replica has', async () => {
    const store = db.store({ waitForReplicas: { count: 1, timeout: 1 } })
    const failed = failuresOf(store)
    await quietly(async () => {
      void store.destroyUser('eva')
      void store.destroy('s1')
      await eventually('the events', () => failed.length === 2)
    })
    expect(failed.map(({ error }) => (error as { code: string }).code)).to.deep.equal([
      'SESSION_NOT_REPLICATED',
      'SESSION_NOT_REPLICATED',
    ])
  })

  it('if the event has no listener either, the process emits a warning, once of each failure', async () => {
    const warnings: string[] = []
    const warned = ({ message }: Error) => warnings.push(message)
    process.on('warning', warned)
    const { client } = await failingStore()
    const store = db.store({ client })
    await quietly(async () => {
      for (let n = 0; n < 3; n++) void store.destroy('s1')
      void store.ids()
      await eventually('the warnings', () => warnings.length >= 2)
      await aMoment()
    })
    process.off('warning', warned)
    expect(warnings.map((warning) => warning.replace(/:.*/, '')).sort()).to.deep.equal([
      'redis-user-sessions destroy() failed, and nobody looked at its promise',
      'redis-user-sessions ids() failed, and nobody looked at its promise',
    ])
  })

  it('a listener of onRevoked that is async and fails', async () => {
    const store = db.store()
    const failed = failuresOf(store)
    await store.set('s1', newSession({ userId: 'eva' }))
    store.onRevoked('s1', async () => {
      throw new Error('in the listener')
    })
    await quietly(async () => {
      await store.destroy('s1')
      await eventually('the event', () => failed.length > 0)
    })
    expect(failed[0]).to.deep.include({ method: 'onRevoked' })
    expect(String(failed[0]?.error)).to.equal('Error: in the listener')
  })

  describe('of a session', () => {
    /** Errors that express-session hides or cannot report. */
    const calls: Record<string, (session: Record<string, Method>) => unknown> = {
      save: (session) => session.save?.(),
      'save(null)': (session) => session.save?.(null),
      'save of a wrong type': (session) => session.save?.('x'),
      reload: (session) => session.reload?.(),
      'reload(null)': (session) => session.reload?.(null),
      'reload of a wrong type': (session) => session.reload?.('x'),
      destroy: (session) => session.destroy?.(),
      'destroy(null)': (session) => session.destroy?.(null),
      'destroy of a wrong type': (session) => session.destroy?.('x'),
      regenerate: (session) => session.regenerate?.(),
      'regenerate of a wrong type': (session) => session.regenerate?.('x'),
    }

    for (const [name, call] of Object.entries(calls)) {
      for (const [kind, made] of [
        ['a loaded session', cookieFor('s1')],
        ['a new session', ''],
      ] as const) {
        for (const when of ['after', 'before']) {
          it(`${name} of ${kind}, while Redis is away: an event, ${when} the request has ended`, async () => {
            const { client, away } = await breakableClient()
            const store = db.store({ client })
            const failed = failuresOf(store)
            await db.store().set('s1', newSession({ userId: 'eva' }))
            const go: Handler = async (req, res) => {
              const session = req.session as unknown as Record<string, Method>
              away()
              call(session)
              if (when === 'before') await eventually('the event', () => failed.length > 0)
              // The response must not fail as well.
              Object.assign(req, { session: undefined })
              res.send('gone on')
            }
            await quietly(async () => {
              const answer = await browser(appWith(store, { '/go': go }))
                .get('/go')
                .set('cookie', made)
              expect(answer.text).to.equal('gone on')
              await eventually('the event', () => failed.length > 0)
              await aMoment()
            })
            expect(failed).to.have.lengthOf(1)
            expect(failed[0]?.error).to.be.instanceOf(Error)
          })
        }
      }
    }

    for (const name of ['save', 'reload', 'destroy', 'regenerate']) {
      it(`${name} without a callback does its work`, async () => {
        const store = db.store()
        const failed = failuresOf(store)
        await store.set('s1', newSession({ userId: 'eva' }))
        const seen: unknown[] = []
        const go: Handler = async (req, res) => {
          const before = req.session as unknown as Record<string, unknown>
          before.role = 'admin'
          void (before[name] as Method)()
          await eventually('the work', async () => {
            const now = req.session as unknown as Record<string, unknown> | undefined
            if (name === 'save')
              return ((await store.get('s1')) as unknown as Record<string, unknown>).role === 'admin'
            if (name === 'destroy') return (await store.get('s1')) === null
            return now !== before && now?.role === undefined
          })
          seen.push(req.session?.id)
          res.send('done')
        }
        await quietly(async () => {
          await browser(appWith(store, { '/go': go }))
            .get('/go')
            .set('cookie', cookieFor('s1'))
            .expect('done')
          await aMoment()
        })
        expect(failed).to.deep.equal([])
        expect(seen).to.have.lengthOf(1)
        if (name === 'reload' || name === 'save') expect(seen).to.deep.equal(['s1'])
        if (name === 'regenerate') expect(seen[0]).to.be.a('string').and.not.equal('s1')
      })
    }

    it('save and reload return the session, as in express-session', async () => {
      const store = db.store()
      await store.set('s1', newSession({ userId: 'eva' }))
      const session = (await store.load('s1')) as unknown as Record<string, Method>
      for (const name of ['save', 'reload']) {
        await new Promise((resolve) => void expect(session[name]?.(resolve)).to.equal(session))
        expect(session[name]?.()).to.equal(session)
      }
      expect(Object.keys(session)).to.have.members(['cookie', 'userId'])
      await store.destroyUser('eva')
    })

    it('a session that reload finds gone is an event', async () => {
      const store = db.store()
      const failed = failuresOf(store)
      await store.set('s1', newSession({ userId: 'eva' }))
      const session = await store.load('s1')
      await store.destroy('s1')
      await quietly(async () => {
        ;(session as unknown as Record<string, Method>).reload?.()
        await eventually('the event', () => failed.length > 0)
      })
      expect(failed.map(({ method }) => method)).to.deep.equal(['get'])
      expect(String(failed[0]?.error)).to.include('failed to load session')
    })

    it('reload without a callback does its work in a bundle too, whose files have other names', async () => {
      const store = db.store()
      await store.set('s1', newSession({ userId: 'eva' }))
      const app = express()
      app.use(bundledExpressSession()({ store, secret: SECRET, resave: false, saveUninitialized: false }))
      app.get('/go', async (req, res) => {
        const before = req.session
        ;(before as unknown as Record<string, Method>).reload?.()
        await eventually('the new session', () => req.session !== before)
        res.send('done')
      })
      await quietly(async () => {
        await browser(app).get('/go').set('cookie', cookieFor('s1')).expect('done')
        await aMoment()
      })
    })

    it('a mistake of an app that express-session trips over is an event', async () => {
      const store = db.store()
      const failed = failuresOf(store)
      await store.set('s1', newSession({ userId: 'eva' }))
      const go: Handler = (req, res) => {
        req.session.regenerate(() => {
          // express-session needs its own object here.
          Object.assign(req, { session: { userId: 'eva' } })
          res.send('never sent')
        })
        void eventually('the event', () => failed.length > 0).then(() => req.socket.destroy())
      }
      await quietly(async () => {
        const answer = browser(appWith(store, { '/go': go }))
          .get('/go')
          .set('cookie', cookieFor('s1'))
        expect(await rejection(answer as unknown as Promise<unknown>)).to.match(/socket hang up/)
        await aMoment()
      })
      expect(failed).to.have.lengthOf(1)
      expect(String(failed[0]?.error)).to.match(/is not a function/)
    })

    it('stack traces that are no text change nothing', async () => {
      const store = db.store()
      await store.set('s1', newSession({ userId: 'eva' }))
      const { prepareStackTrace } = Error
      Error.prepareStackTrace = (_, sites) => sites
      try {
        const thrown = await uncaught(() => {
          void store.get('s1', () => {
            throw new TypeError('of the app')
          })
        })
        expect(thrown).to.equal('of the app')
      } finally {
        Error.prepareStackTrace = prepareStackTrace
      }
    })

    it('a TypeError of an app whose folder is named after express-session reaches the process', async () => {
      const store = db.store()
      const path = '/home/eva/my-express-session-app/server.js'
      const callback = runInThisContext('() => { undefined.apply() }', { filename: path })
      expect(await uncaught(() => void store.get('s1', callback))).to.include("reading 'apply'")
    })

    it('the callbacks of an app get their usual arguments, and an error that they throw reaches the process', async () => {
      const store = db.store()
      await store.set('s1', newSession({ userId: 'eva' }))
      const session = (await store.load('s1')) as unknown as Record<string, Method>
      for (const name of ['save', 'reload', 'regenerate', 'destroy']) {
        const thrown = await uncaught(() => {
          session[name]?.((error: unknown) => {
            throw new Error(`${name}: ${error ?? 'no error'}`)
          })
        })
        expect(thrown).to.equal(`${name}: no error`)
      }
    })
  })

  it('load resolves to a session that can be saved, and to undefined if there is none', async () => {
    const store = db.store()
    await store.set('s1', newSession({ userId: 'eva' }))
    const session = await store.load('s1')
    Object.assign(session ?? {}, { role: 'admin' })
    await new Promise((resolve) => session?.save(resolve))
    expect(await store.get('s1')).to.include({ role: 'admin' })
    expect(await store.load('none')).to.equal(undefined)
    const outcome = await new Promise<unknown[]>(
      (resolve) => void store.load('none', (...all) => resolve(all)),
    )
    expect(outcome).to.deep.equal([])
  })

  it('regenerate resolves when the session is another', async () => {
    const store = db.store()
    const go: Handler = async (req, res) => {
      const before = req.sessionID
      await store.regenerate(req)
      res.json([before, req.sessionID, req.session.id])
    }
    await store.set('s1', newSession({ userId: 'eva' }))
    const { body } = await browser(appWith(store, { '/go': go }))
      .get('/go')
      .set('cookie', cookieFor('s1'))
    expect(body[0]).to.equal('s1')
    expect(body[1]).to.equal(body[2]).and.not.equal('s1')
    expect(await store.get('s1')).to.equal(null)
  })

  /** A store whose Redis is gone, and its reports. */
  async function failingStore() {
    const { client, away } = await breakableClient()
    away()
    const store = db.store({ client })
    store.onRevoked('s1', () => {})
    return { client, store, failed: failuresOf(store) }
  }

  async function breakableClient() {
    const client = db.client.duplicate()
    client.on('error', () => {})
    await client.connect()
    return { client, away: () => client.destroy() }
  }
})

/** An app's function that should return a plain value, and is asynchronous instead. */
describe('An asynchronous function where a plain value is needed', () => {
  const db = useDatabase()
  const later = async () => {
    throw new Error('the account service is away')
  }
  const named = newSession({ userId: { toJSON: later } })

  const calls: Record<string, () => Promise<unknown>> = {
    'the option userId': () => db.store({ userId: later as never }).set('s1', newSession()),
    'the option ttl': () => db.store({ ttl: later as never }).set('s1', newSession({}, cookie(null))),
    'the option maxUserSessions': () =>
      db.store({ maxUserSessions: later as never }).set('s1', newSession({ userId: 'eva' })),
    'a user id in a session': () => db.store().set('s1', named),
    'a user id as an argument': () => db.store().userSessions({ toJSON: later as never }),
    'the option userId of a function': () =>
      createSession({ ...db.options, userId: later, data: { expires: '2999-01-01' } }),
  }
  for (const [name, call] of Object.entries(calls)) {
    it(`${name}: the call is refused, and nothing reaches the process`, async () => {
      await quietly(async () => {
        expect(await rejection(call())).to.be.instanceOf(TypeError)
      })
    })
  }

  it('the option userId, when a record is read: the session is anonymous, and nothing reaches the process', async () => {
    await db.client.set(db.sessionKey('s1'), JSON.stringify(newSession({ userId: 'eva' })))
    await quietly(async () => {
      expect(await db.store({ userId: later as never }).get('s1')).to.have.property('userId', 'eva')
    })
  })

  it('onProgress: reindex waits for it, and rejects with its error', async () => {
    await db.store().set('s1', newSession({ userId: 'eva' }))
    await quietly(async () => {
      const error = await rejection(db.store().reindex({ onProgress: later }))
      expect(error.message).to.equal('the account service is away')
    })
  })
})

/** express-session's code under the name that a bundle gives to all of its files. */
function bundledExpressSession(): typeof session {
  const compiled = (file: string): unknown => {
    const requireThere = createRequire(file)
    const require = (name: string) =>
      name.startsWith('.') ? compiled(requireThere.resolve(name)) : requireThere(name)
    const bundle = { exports: {} }
    const run = compileFunction(readFileSync(file, 'utf8'), ['exports', 'require', 'module'], {
      filename: '/srv/dist/server.cjs',
    })
    run(bundle.exports, require, bundle)
    return bundle.exports
  }
  return compiled(createRequire(import.meta.url).resolve('express-session')) as typeof session
}

function failuresOf(store: UserSessionStore): Failed[] {
  const failed: Failed[] = []
  store.on('failed', (event) => failed.push(event))
  return failed
}

async function expectRejection(promise: Promise<unknown>): Promise<void> {
  expect(await rejection(promise)).to.be.instanceOf(Error)
}

/** Ticks and microtasks have run. */
const aMoment = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

const kinds = ['uncaughtException', 'unhandledRejection'] as const

/** Fails if anything reaches the process during `work`. */
async function quietly(work: () => Promise<void>): Promise<void> {
  const reached: unknown[] = []
  const giveBack = listenInstead((error) => reached.push(error))
  try {
    await work()
    await aMoment()
  } finally {
    giveBack()
  }
  expect(reached).to.deep.equal([])
}

/** The message of the first error that reaches the process. */
async function uncaught(work: () => void): Promise<string> {
  let giveBack = () => {}
  try {
    return await new Promise((resolve) => {
      giveBack = listenInstead((error) => resolve((error as Error).message))
      work()
    })
  } finally {
    giveBack()
  }
}

function listenInstead(listener: (error: unknown) => void): () => void {
  const before = kinds.map((kind) => process.rawListeners(kind) as (() => void)[])
  for (const kind of kinds) {
    process.removeAllListeners(kind)
    process.on(kind, listener)
  }
  return () => {
    for (const [n, kind] of kinds.entries()) {
      process.removeAllListeners(kind)
      for (const each of before[n] ?? []) process.on(kind, each)
    }
  }
}
