/**
 * Hostile input through the functions, the store and HTTP. For any input, a promise settles and no prototype is
 * changed. Nothing is written outside of the two key patterns. Only sessions and indexes are written under them. The
 * root hooks check that no rejection is unhandled.
 */
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import fc from 'fast-check'
import * as api from '../../src/index.ts'
import { UserSessionStore } from '../../src/index.ts'
import { Keys } from '../../src/redis/keys.ts'
import { appWith, cookieFor, sessionOf } from '../support/app.ts'
import { Database, HOUR, inMs } from '../support/database.ts'
import { freshPrefixes } from '../support/hooks.ts'
import { fields, newSession } from '../support/sessions.ts'
import { startTopology, type Topology } from '../support/topologies.ts'
import { anything, data, names, rawRecords, texts, tooDeep } from './values.ts'

const seed = process.env.FC_SEED === undefined ? Date.now() % 2 ** 31 : Number(process.env.FC_SEED)
const numRuns = 60 * Math.max(1, Math.round(Number(process.env.MODEL_SECONDS ?? 10) / 10))
const parameters = { seed, path: process.env.FC_PATH, numRuns }

describe(`hostile input (seed ${seed})`, function () {
  this.timeout('5m')
  const db = new Database()
  let topology: Topology
  let store: UserSessionStore

  // A server of its own, on which every key is seen.
  before(async () => {
    topology = await startTopology('server')
    db.client = (await topology.connect()) as typeof db.client
  })
  after(async () => {
    await db.client.close()
    await topology.stop()
  })
  beforeEach(async () => {
    await db.client.flushAll()
    db.prefixes = freshPrefixes()
    store = db.store()
    await store.set('innocent', newSession({ userId: 'victim', precious: 'value' }))
  })
  afterEach(async () => {
    expect(await foreignKeys(), 'keys that are neither a session nor an index').to.deep.equal([])
    expect(await db.record('innocent')).to.include({ userId: 'victim', precious: 'value' })
    expect(Object.keys(await db.index('victim'))).to.deep.equal(['innocent'])
    expectNoPollution()
  })

  async function foreignKeys(): Promise<string[]> {
    const found = await db.client.keys('*')
    const types = await Promise.all(found.map((key) => db.client.type(key)))
    return found.filter((key, n) => {
      if (key.startsWith(db.prefixes.prefix)) return types[n] !== 'string'
      return !(key.startsWith(db.prefixes.userPrefix) && key.endsWith(':sessions') && types[n] === 'zset')
    })
  }

  it('as ids, users and data of the functions', () =>
    fc.assert(
      fc.asyncProperty(anything, anything, data, async (oddId, oddUser, odd) => {
        const [o, id, user] = [db.options, oddId.make() as string, oddUser.make() as string]
        if (namesTheVictim(id) || namesTheVictim(user)) return
        const hostile = odd.make()
        await survives([
          () => api.createSession({ ...o, sessionId: id, data: hostile as never }),
          () => api.createSession({ ...o, data: with_(hostile, { userId: user, expires: inMs(HOUR) }) }),
          () =>
            api.createSession({
              ...o,
              sessionId: id,
              data: { userId: 'mallory', expires: inMs(HOUR), hostile } as never,
            }),
          () => api.readSession({ ...o, sessionId: id }),
          () => api.updateSession({ ...o, sessionId: id, data: hostile }),
          () => api.getUserSessions({ ...o, userId: user }),
          () => api.updateUserSessions({ ...o, userId: user, data: hostile }),
          () => api.updateUserSessions({ ...o, userId: 'mallory', data: hostile }),
          () => api.getUserSessions({ ...o, userId: 'mallory' }),
          () => api.deleteSession({ ...o, sessionId: id }),
          () => api.deleteUserSessions({ ...o, userId: user }),
        ])
      }),
      parameters,
    ))

  it('as ids, users, handles and sessions of the store', () =>
    fc.assert(
      fc.asyncProperty(anything, anything, data, async (oddId, oddUser, odd) => {
        const [id, user] = [oddId.make() as string, oddUser.make() as string]
        if (namesTheVictim(id) || namesTheVictim(user)) return
        const hostile = odd.make()
        await survives([
          () => store.set(id, hostile as never),
          () => store.set('of-mallory', with_(hostile, { userId: 'mallory' })),
          () => store.set('of-anyone', with_({ ...newSession() }, { userId: user })),
          () => store.get(id),
          () => store.touch(id, hostile as never),
          () => store.touch('of-mallory', hostile as never),
          async () => store.set('of-mallory', with_((await store.get('of-mallory')) as object, { hostile })),
          () => store.userSessions(user),
          () => store.updateUser(user, hostile),
          () => store.updateUser('mallory', hostile),
          () => store.destroyUserSession(user, id),
          () => store.destroyUserSession('mallory', 'innocent'),
          // A function would be a callback, which may throw as it likes.
          () => store.destroyUser(user, typeof hostile === 'function' ? {} : hostile),
          () => store.destroyUser('mallory', { except: id }),
          () => store.reindex(),
          () => store.all(),
          () => store.destroy(id),
        ])
      }),
      parameters,
    ))

  it('as options', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...optionNames), anything, texts, async (name, value, prefix) => {
        const given = { ...db.options, [name]: value.make() }
        await survives([
          async () => new UserSessionStore(given as never).length(),
          () => api.createSession({ ...given, data: { userId: 'a', expires: inMs(1) } } as never),
        ])
        if (prefix.isWellFormed()) expect(() => new Keys(prefix, prefix)).not.to.throw()
      }),
      parameters,
    )
    await db.client.flushAll()
    await store.set('innocent', newSession({ userId: 'victim', precious: 'value' }))
  })

  it('as raw records, and values of other types, in Redis', () =>
    fc.assert(
      fc.asyncProperty(
        fc.oneof(rawRecords, fc.constant(tooDeep)),
        fc.constantFrom('string', 'hash', 'list', 'set'),
        async (raw, type) => {
          const key = db.sessionKey('bad')
          await db.client.del(key)
          if (type === 'hash') await db.client.hSet(key, 'field', raw)
          else if (type === 'list') await db.client.rPush(key, raw)
          else if (type === 'set') await db.client.sAdd(key, raw)
          else await db.client.set(key, raw, { expiration: { type: 'PX', value: HOUR } })
          await db.client.zAdd(db.indexKey('alice'), { value: 'bad', score: Date.now() + HOUR })
          await db.client.pExpire(db.indexKey('alice'), HOUR)
          await survives([
            () => store.get('bad'),
            async () => store.set('bad', with_((await store.get('bad')) as object, { more: 1 })),
            () => store.touch('bad', newSession()),
            () => store.set('bad', newSession({ userId: 'alice' })),
            () => api.readSession({ ...db.options, sessionId: 'bad' }),
            () =>
              api.updateSession({ ...db.options, sessionId: 'bad', data: { more: 1, expires: inMs(HOUR) } }),
          ])
          // It fails alone: nothing that concerns other sessions may fail.
          await store.all()
          await store.reindex()
          await store.userSessions('alice')
          await store.updateUser('alice', { role: 'guest' } as never)
          await api.getUserSessions({ ...db.options, userId: 'alice' })
          await api.updateUserSessions({ ...db.options, userId: 'alice', data: { role: 'guest' } })
          await store.destroyUser('alice')
          await store.destroy('bad')
          expect(await db.client.exists(key), 'destroyed').to.equal(0)
        },
      ),
      parameters,
    ))

  it('as cookies, ids and raw records over HTTP', async () => {
    const app = appWith(
      store,
      {
        // Out of anyone's try, as handlers answer.
        '/': (req, res) => setImmediate(() => res.json(Object.keys(req.session))),
        '/change': (req, res) => {
          sessionOf(req).seen = Date.now()
          setImmediate(() => res.json({}))
        },
        '/save': (req, res) => req.session.save((error) => res.json({ error: String(error) })),
        '/again': (req, res) => req.session.regenerate((error) => res.json({ error: String(error) })),
        '/destroy': (req, res) => req.session.destroy((error) => res.json({ error: String(error) })),
      },
      { rolling: true },
    )
    // Express prints errors otherwise.
    app.set('env', 'test')
    const server = createServer(app).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    try {
      expect(await get(port, '/', cookieFor('bad'))).to.equal(200)
      await fc.assert(
        fc.asyncProperty(texts, rawRecords, anything, async (id, raw, cookie) => {
          const named = id !== '' && id.isWellFormed() && !namesTheVictim(id) ? id : 'bad'
          for (const path of ['/', '/change', '/save', '/again', '/destroy']) {
            if (!named.endsWith(':sessions')) {
              await db.client.set(db.sessionKey(named), raw, { expiration: { type: 'PX', value: HOUR } })
            }
            for (const header of [cookieFor(named), `connect.sid=${encodeURI(safe(cookie.make()))}`]) {
              const status = await get(port, path, header)
              expect(status, `${path} with ${header}`).to.be.oneOf([0, 200, 400, 431, 500])
            }
          }
        }),
        parameters,
      )
    } finally {
      server.closeAllConnections()
      server.close()
    }
  })

  it('as a user id that the object has and its record lacks: it can be revoked, or is refused', async () => {
    class User {
      get id() {
        return 'alice'
      }
    }
    const own = db.store({ userId: ({ user }: { user?: User }) => user?.id } as never)
    const liar = { toJSON: () => ({ userId: 'mallory' }) }
    const errors = await survives([
      () => store.set('hidden', newSession({ userId: 'alice', ...liar })),
      () => store.set('hidden', newSession({ userId: 'alice', toJSON: () => 'no object' })),
      () => api.createSession({ ...db.options, data: { ...liar, userId: 'alice', expires: inMs(HOUR) } }),
    ])
    expect(errors.map((error) => error instanceof TypeError)).to.deep.equal([true, true, true])
    expect(await db.keys()).to.have.length(2)
    await own.set('hidden', newSession({ user: new User() }))
    const other = db.store()
    await other.set('hidden', Object.assign(fields(await other.get('hidden')), { seen: true }))
    expect(await db.store().destroyUserSession('alice', 'hidden')).to.equal(true)
    expect(await db.keys()).to.have.length(2)
  })

  it('as names that would be another key', async () => {
    for (const name of names) {
      await survives([
        () => store.set(name, newSession({ userId: name })),
        () =>
          api.createSession({ ...db.options, sessionId: name, data: { userId: name, expires: inMs(HOUR) } }),
      ])
    }
    // A user index is never a session, and a session is never a user index, for any prefixes.
    const same = {
      client: db.client,
      prefix: `${db.prefixes.prefix}p:`,
      userPrefix: `${db.prefixes.prefix}p:`,
    }
    const close = new UserSessionStore(same)
    await close.set('s', newSession({ userId: 'x' }))
    for (const id of ['x:sessions', ':sessions']) {
      const errors = await survives([
        () => close.set(id, newSession({ userId: 'x' })),
        () => close.destroy(id),
        () => close.get(id),
        () => api.deleteSession({ ...same, sessionId: id }),
      ])
      expect(errors.every((error) => error instanceof TypeError)).to.equal(true)
    }
    expect(await close.ids()).to.deep.equal(['s'])
    await close.clear()
    await db.client.del(await db.client.keys(`${same.prefix}*`).then((keys) => [...keys, 'none']))
  })
})

const optionNames = [
  ...['client', 'prefix', 'userPrefix', 'userId', 'ttl', 'disableTouch', 'serializer', 'scanCount'],
  ...['touchInterval', 'maxUserSessions', 'absoluteTtl', 'waitForReplicas'],
]

/** Waits for each call. A rejection must be an error. */
async function survives(works: (() => Promise<unknown>)[]): Promise<unknown[]> {
  const errors: unknown[] = []
  for (const work of works) {
    try {
      await work()
    } catch (error) {
      expect(error).to.be.instanceOf(Error)
      errors.push(error)
    }
  }
  return errors
}

/** Adds properties to the object, if it accepts any. */
function with_(object: object, more: object): never {
  try {
    return Object.assign(object, more) as never
  } catch {
    return more as never
  }
}

function namesTheVictim(value: unknown): boolean {
  try {
    return /victim|innocent/.test(String(value))
  } catch {
    return false
  }
}

function safe(value: unknown): string {
  try {
    return String(value).toWellFormed().slice(0, 2000)
  } catch {
    return 'none'
  }
}

function expectNoPollution(): void {
  const clean: Record<string, unknown> = {}
  expect(clean.polluted, 'Object.prototype').to.equal(undefined)
  expect(Object.keys(Object.prototype)).to.deep.equal([])
  expect(({} as { constructor: unknown }).constructor).to.equal(Object)
}

/** Status 0 means that express has closed the connection. It does so if saving fails after the response has begun. */
async function get(port: number, path: string, cookie: string): Promise<number> {
  const sent = request({ port, path, headers: { cookie }, agent: false }).end()
  try {
    const [response] = await once(sent, 'response')
    response.resume()
    await once(response, 'end')
    return response.statusCode
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ECONNRESET') return 0
    throw error
  }
}
