/**
 * docs/troubleshooting.md shows each message exactly as it is printed. This file provokes every message and compares it
 * with the page.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { inspect } from 'node:util'
import { expect } from 'chai'
import express, { type ErrorRequestHandler } from 'express'
import session from 'express-session'
import { createClient, createClientPool, createCluster } from 'redis'
import request from 'supertest'
import { createSession, UserSessionStore, updateSession } from '../../src/index.ts'
import { HOUR, inMs, rejection } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { newSession } from '../support/sessions.ts'
import { startTopology, type Topology } from '../support/topologies.ts'
import { ROOT } from './support/blocks.ts'
import { compile } from './support/program.ts'

/**
 * Messages of tools that are not installed here. They were seen with Jest 30, TypeScript 5.9 (which still has `node10`)
 * and the packed package.
 */
const SEEN_BY_HAND = ['A package is missing', 'Jest', 'TS1479', 'TS2307', 'TS7016']

const page = readFileSync(join(ROOT, 'docs/troubleshooting.md'), 'utf8')

/** The messages of the page by their heading. Each line is one. */
const messages = new Map(
  [...page.matchAll(/^### (.*)\n([\s\S]*?)(?=\n##|$(?![\s\S]))/gm)].map(([, heading, section]) => [
    (heading as string).replaceAll('`', ''),
    [...(section as string).matchAll(/```text\n([\s\S]*?)```/g)].flatMap(([, block]) =>
      (block as string).trimEnd().split('\n'),
    ),
  ]),
)

type Client = Awaited<ReturnType<typeof connectTo>>

async function connectTo(url: string, options: object = {}) {
  const client = createClient({ ...options, url })
  client.on('error', () => {})
  return client.connect()
}

describe('docs/troubleshooting.md', function () {
  this.timeout('5m')
  let topology: Topology
  let url: string
  let client: Client
  let store: UserSessionStore

  before(async () => {
    topology = await startTopology('server')
    url = topology.nodes[0]?.server.url as string
    client = await connectTo(url)
  })
  after(async () => {
    await client.close()
    await topology.stop()
  })
  beforeEach(async () => {
    await client.flushAll()
    store = new UserSessionStore({ client })
  })

  it('has a test of every message', () => {
    const shown = [...messages].filter(([, lines]) => lines.length > 0).map(([heading]) => heading)
    expect(shown).to.have.members([...Object.keys(provoked), ...SEEN_BY_HAND])
  })

  const expires = () => inMs(HOUR)

  /** The errors by heading. Each must match one line of the page, and each line must match one error. */
  const provoked: Record<string, () => Promise<unknown[]>> = {
    'Unknown option': async () =>
      [{ client, maxSessions: 3 }, { url }].map((options) =>
        thrown(() => new UserSessionStore(options as never)),
      ),

    'The client is refused': async () => {
      const lost = createClient({ url }).on('error', () => {})
      const replicas = createCluster({ rootNodes: [{ url }], useReplicas: true })
      const caching = createClient({
        url,
        RESP: 3,
        clientSideCache: { ttl: 0, maxEntries: 0, evictPolicy: 'LRU' },
      })
      const { Redis } = await import('ioredis')
      const prefixed = new Redis(url, { lazyConnect: true, keyPrefix: 'app:' })
      const clients = [undefined, lost.connect(), url, client.legacy(), prefixed, caching, replicas]
      const errors = clients.map((wrong) => thrown(() => new UserSessionStore({ client: wrong as never })))
      const subscriber = createClientPool({ url })
      errors.push(thrown(() => new UserSessionStore({ client, subscriber: subscriber as never })))
      await eventually('the connection', () => lost.isReady)
      await lost.close()
      prefixed.disconnect()
      return errors
    },

    'A user id is refused': async () => [
      await rejection(store.userSessions(undefined as never)),
      await rejection(store.set('s1', newSession({ userId: { name: 'eva' } }))),
    ],

    'A timestamp is refused': async () => [
      await rejection(createSession({ client, data: { userId: 'eva', expires: '2030-01-01T12:00' } })),
    ],

    'Session data cannot be written': async () => {
      const circular: Record<string, unknown> = {}
      circular.self = circular
      return [
        await rejection(store.set('s1', newSession({ amount: 1n }))),
        await rejection(store.set('s1', newSession({ circular }))),
        ...(await Promise.all([{ amount: 1n }, { circular }].map(errorOfExpressSession))),
      ]
    },

    SESSION_NOT_FOUND: async () => [await rejection(updateSession({ client, sessionId: 'none', data: {} }))],

    SESSION_USER: async () => {
      const sessionId = await createSession({ client, data: { userId: 'eva', expires: expires() } })
      return [
        await rejection(updateSession({ client, sessionId, data: { userId: 'bob' } })),
        await rejection(store.updateUser('eva', { userId: 'bob' } as never)),
      ]
    },

    SESSION_LIMIT: async () => {
      for (let n = 0; n < 3; n++) await createSession({ client, data: { userId: 'eva', expires: expires() } })
      const limited = new UserSessionStore({ client, maxUserSessions: { limit: 3, onLimit: 'reject' } })
      return [await rejection(limited.set('s1', newSession({ userId: 'eva' })))]
    },

    SESSION_CORRUPT: async () => {
      await client.set('session:text', 'no JSON')
      await client.hSet('session:hash', 'a', 'b')
      return [await rejection(store.get('text')), await rejection(store.get('hash'))]
    },

    SESSION_NOT_REPLICATED: async () => {
      const careful = new UserSessionStore({ client, waitForReplicas: { count: 1, timeout: 1000 } })
      return [await rejection(careful.destroyUser('eva'))]
    },

    NOPERM: async () => {
      const rule = ['on', '>password', 'resetkeys', '~session:*', '-@all', '+get', '+evalsha', '+eval']
      await client.sendCommand(['ACL', 'SETUSER', 'app', 'reset', ...rule])
      const app = await connectTo(url, { username: 'app', password: 'password' })
      const limited = new UserSessionStore({ client: app })
      const errors = [
        await rejection(limited.set('s1', newSession())),
        await rejection(new UserSessionStore({ client: app, prefix: 'sess:' }).get('s1')),
      ]
      await client.sendCommand(['ACL', 'SETUSER', 'app', '~user:*'])
      errors.push(await rejection(limited.set('s1', newSession({ userId: 'eva' }))))
      await app.close()
      return errors
    },

    NOAUTH: async () => {
      await client.sendCommand(['ACL', 'SETUSER', 'app', 'reset', 'on', '>password'])
      await client.sendCommand(['CONFIG', 'SET', 'requirepass', 'secret'])
      const errors = [await firstErrorOf({}), await firstErrorOf({ username: 'app', password: 'wrong' })]
      await client.sendCommand(['CONFIG', 'SET', 'requirepass', ''])
      return errors
    },

    'CROSSSLOT and MOVED': async () => {
      const cluster = await startTopology('cluster')
      const single = await connectTo(cluster.nodes[0]?.server.url as string)
      const onOneNode = new UserSessionStore({ client: single })
      const loads = await Promise.allSettled(Array.from({ length: 30 }, (_, n) => onOneNode.get(`s${n}`)))
      const moved = loads.find((result) => result.status === 'rejected')
      const errors = [await rejection(onOneNode.set('s1', newSession({ userId: 'eva' }))), moved?.reason]
      await single.close()
      await cluster.stop()
      return errors
    },

    OOM: async () => {
      await store.set('s1', newSession({ userId: 'eva' }))
      await client.configSet('maxmemory', '1')
      const error = await rejection(store.set('s2', newSession({ theme: 'dark' })))
      // "Sessions are still read, and sign-outs still work. Sign-ins and saves fail."
      const loaded = await store.get('s1')
      expect(loaded).to.include({ userId: 'eva' })
      const others = [
        store.set('s3', newSession({ userId: 'eva' })),
        store.set('s1', { ...loaded, a: 1 } as never),
      ]
      for (const other of others) expect((await rejection(other)).message).to.match(/^OOM /)
      expect(await store.destroyUser('eva')).to.equal(1)
      await client.configSet('maxmemory', '0')
      return [error]
    },

    READONLY: async () => {
      await client.sendCommand(['REPLICAOF', '127.0.0.1', '1'])
      const error = await rejection(store.set('s1', newSession()))
      await client.sendCommand(['REPLICAOF', 'NO', 'ONE'])
      return [error]
    },

    ClientClosedError: async () => {
      const { Redis } = await import('ioredis')
      const ended = new Redis(url, { lazyConnect: true })
      await ended.connect()
      ended.disconnect()
      await once(ended, 'end')
      expect((await rejection(new UserSessionStore({ client: ended }).get('s1'))).message).to.equal(
        'Connection is closed.',
      )
      const closed = await connectTo(url)
      await closed.close()
      return Promise.all(
        [createClient({ url }), closed].map((each) =>
          rejection(new UserSessionStore({ client: each }).get('s1')),
        ),
      )
    },

    ClientOfflineError: async () => {
      const socket = { port: 1, reconnectStrategy: 5 }
      const offline = createClient({ socket, disableOfflineQueue: true })
      const refused = once(offline, 'error')
      offline.connect().catch(() => {})
      expect((await refused)[0].message).to.match(/^connect ECONNREFUSED/)
      offline.on('error', () => {})
      const error = await rejection(new UserSessionStore({ client: offline }).get('s1'))
      offline.destroy()
      return [error]
    },

    'The process ends': async () => {
      const program = `
        import { createClient } from 'redis'
        await createClient({ url: '${url}' }).connect()
        console.log('connected')`
      const child = spawn(process.execPath, ['--input-type=module', '--eval', program], { cwd: ROOT })
      const complaint = text(child.stderr)
      await once(child.stdout, 'data')
      await client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'])
      const said = await complaint
      expect(said).to.include("throw er; // Unhandled 'error' event")
      return [/^\w+Error: .*$/m.exec(said)?.[0]]
    },

    'A library without its adapter': () =>
      warningsOf(2, async () => {
        const own = { cookie: newSession().cookie }
        const fastify = Object.setPrototypeOf(own, { encryptedSessionId: '' })
        await store.set('s1', fastify)
        const oidc = { header: {}, data: {}, cookie: { expires: Date.now() + HOUR, maxAge: HOUR } }
        await new UserSessionStore({ client }).set('s2', oidc as never)
      }),

    'A call that nobody looked at': () =>
      warningsOf(1, async () => {
        new UserSessionStore({ client: createClient({ url }) }).destroy('s1', undefined)
      }),

    'A subscriber that cannot listen': () =>
      warningsOf(1, async () => {
        const subscriber = createClient({ url })
        const deaf = new UserSessionStore({ client, subscriber })
        deaf.onRevoked('s1', () => {})
        await client.ping()
        await deaf.close()
      }),

    TS2339: () =>
      typeErrorsOf(
        "import type { Request } from 'express'\nexport const id = (req: Request) => req.session.userId\n",
      ),
  }

  for (const [heading, provoke] of Object.entries(provoked)) {
    it(`shows the real message: ${heading}`, async () => {
      const lines = messages.get(heading) ?? []
      const seen = (await provoke()).map(seenOf)
      for (const one of seen)
        expect(
          lines.filter((line) => fits(line, one)),
          one,
        ).to.not.deep.equal([])
      for (const line of lines)
        expect(
          seen.filter((one) => fits(line, one)),
          line,
        ).to.not.deep.equal([])
    })
  }

  /** Resolves to the first line of the error by which a request fails that puts `fields` into its session. */
  async function errorOfExpressSession(fields: object): Promise<string> {
    const app = express()
    app.use(session({ store, secret: 'test', resave: false, saveUninitialized: false }))
    app.get('/', (req, res) => void res.send(Object.assign(req.session, fields) && 'done'))
    const failed = new Promise<Error>((resolve) => {
      app.use(((error, _req, res, _next) => {
        resolve(error)
        res.destroy()
      }) as ErrorRequestHandler)
    })
    request(app)
      .get('/')
      .catch(() => {})
    const { name, message } = await failed
    return `${name}: ${message.split('\n')[0]}`
  }

  /** Resolves to the first error that the client reports while it tries to connect. */
  async function firstErrorOf(options: object): Promise<Error> {
    const refused = createClient({ ...options, url })
    const told = once(refused, 'error')
    refused.connect().catch(() => {})
    const [error] = await told
    refused.on('error', () => {}).destroy()
    return error
  }
})

/** The printed form of an error, without its stack. */
function seenOf(error: unknown): string {
  if (typeof error === 'string') return error
  const { name, message, constructor: madeBy } = error as Error
  const seen = `${name === 'Error' ? madeBy.name : name}: ${message}`
  expect(inspect(error)).to.include(seen)
  return seen
}

function fits(line: string, seen: string): boolean {
  const parts = line.split('…').map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`).test(seen)
}

function thrown(work: () => unknown): unknown {
  try {
    return work()
  } catch (error) {
    return error
  }
}

/** The warnings of this package, as many as are awaited. */
async function warningsOf(count: number, work: () => Promise<void>): Promise<Error[]> {
  const warnings: Error[] = []
  const listener = (warning: Error) => {
    if (warning.message.includes('redis-user-sessions')) warnings.push(warning)
  }
  process.on('warning', listener)
  try {
    await work()
    await eventually(`${count} warnings`, () => warnings.length >= count)
  } finally {
    process.off('warning', listener)
  }
  return warnings
}

async function typeErrorsOf(code: string): Promise<string[]> {
  const directory = mkdtempSync(join(tmpdir(), 'redis-user-sessions-types-'))
  try {
    writeFileSync(join(directory, 'app.ts'), code)
    const compilerOptions = {
      noEmit: true,
      strict: true,
      skipLibCheck: true,
      target: 'es2022',
      types: ['express-session'],
      typeRoots: [join(ROOT, 'node_modules/@types')],
      paths: { '*': [join(ROOT, 'node_modules/@types/*')] },
    }
    writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['app.ts'] }))
    const said = await compile(directory, 'tsconfig.json')
    return said.split('\n').flatMap((line) => /error TS\d+: .*/.exec(line)?.[0] ?? [])
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
