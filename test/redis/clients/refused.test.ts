/**
 * The store and every function refuse clients that would break a guarantee. The message gives the reason, and shows
 * nothing of the client.
 */
import { inspect } from 'node:util'
import { expect } from 'chai'
import { createClient, createClientPool, createCluster, createSentinel } from 'redis'
import * as functions from '../../../src/index.ts'
import { UserSessionStore } from '../../../src/index.ts'
import { tracked } from '../../support/clients.ts'
import { HOUR, inMs, rejection, useDatabase } from '../../support/database.ts'
import { redisUrl } from '../../support/hooks.ts'

const secret = 'hunter2'
const cache = { ttl: 0, maxEntries: 0, evictPolicy: 'LRU' as const }
const url = 'redis://localhost:1'
const nodes = { rootNodes: [{ url }], defaults: { password: secret } }
const sentinel = { name: 'main', sentinelRootNodes: [{ host: 'localhost', port: 1 }] }

type Refused = [what: string, make: () => unknown, word: string]

const refused: Refused[] = [
  ['a client that caches reads', () => createClient({ url, clientSideCache: cache }), 'clientSideCache'],
  ['a pool that caches', () => createClientPool({ url }, { clientSideCache: cache }), 'clientSideCache'],
  ['a Cluster that caches', () => createCluster({ ...nodes, clientSideCache: cache }), 'clientSideCache'],
  [
    'a Cluster whose nodes cache',
    () => createCluster({ ...nodes, defaults: { clientSideCache: cache } as object }),
    'clientSideCache',
  ],
  [
    'a Sentinel client that caches',
    () => createSentinel({ ...sentinel, clientSideCache: cache }),
    'clientSideCache',
  ],
  [
    'a Sentinel client whose nodes cache',
    () => createSentinel({ ...sentinel, nodeClientOptions: { clientSideCache: cache } }),
    'clientSideCache',
  ],
  ['a Cluster that reads replicas', () => createCluster({ ...nodes, useReplicas: true }), 'useReplicas'],
  [
    'a Sentinel client that reads replicas',
    () => createSentinel({ ...sentinel, replicaPoolSize: 1 }),
    'replicaPoolSize',
  ],
  ['a client that reads a replica', () => createClient({ url, readonly: true }), 'readonly'],
  ['a client with keyPrefix', () => createClient({ url, keyPrefix: 'a:' }), 'keyPrefix'],
  ['a pool with keyPrefix', () => createClientPool({ url, keyPrefix: 'a:' }), 'keyPrefix'],
  ['a Cluster with keyPrefix', () => createCluster({ ...nodes, keyPrefix: 'a:' }), 'keyPrefix'],
  ['a Sentinel client with keyPrefix', () => createSentinel({ ...sentinel, keyPrefix: 'a:' }), 'keyPrefix'],
  ['a legacy client', () => createClient({ url }).legacy(), 'legacy()'],
  ['a transaction', () => createClient({ url }).multi(), 'multi'],
  ['a transaction on a Cluster', () => createCluster(nodes).multi(), 'multi'],
  ['a URL', () => `redis://:${secret}@localhost`, 'a string of 26 characters'],
  ['a URL object', () => new URL(`redis://:${secret}@localhost`), 'class URL'],
  ['the options of a client', () => ({ url, password: secret, username: secret }), 'got an object'],
  ['a promise of a client', () => Promise.resolve({ secret }), 'got a promise'],
  [
    'an instance of a class',
    () =>
      new (class Vault {
        password = secret
      })(),
    'class Vault',
  ],
  ['the function that makes clients', () => createClient, 'got a function'],
  ['what ioredis may look like', () => ({ status: 'ready', options: { password: secret } }), 'got an object'],
]

function refuses(error: unknown, word: string): void {
  expect(error).to.be.instanceOf(TypeError).with.property('message').that.includes(word)
  expect((error as Error).message).to.match(/^client must be /)
  expect(inspect(error, { depth: 10, showHidden: true })).to.not.include(secret)
}

describe('A client that is refused', () => {
  const db = useDatabase()
  const data = { userId: 'eva', expires: inMs(HOUR) }
  const calls: Record<string, (client: never) => Promise<unknown>> = {
    createSession: (client) => functions.createSession({ client, data }),
    readSession: (client) => functions.readSession({ client, sessionId: 's1' }),
    updateSession: (client) => functions.updateSession({ client, sessionId: 's1', data }),
    deleteSession: (client) => functions.deleteSession({ client, sessionId: 's1' }),
    getUserSessions: (client) => functions.getUserSessions({ client, userId: 'eva' }),
    updateUserSessions: (client) => functions.updateUserSessions({ client, userId: 'eva', data: {} }),
    deleteUserSessions: (client) => functions.deleteUserSessions({ client, userId: 'eva' }),
  }

  for (const [what, make, word] of refused) {
    it(`is ${what}`, async () => {
      const client = make() as never
      let thrown: unknown
      try {
        new UserSessionStore({ client })
      } catch (error) {
        thrown = error
      }
      refuses(thrown, word)
      for (const call of Object.values(calls)) refuses(await rejection(call(client)), word)
    })
  }

  /** The types know the cache as an option of the pool only. */
  const caching = () => ({ url: redisUrl(), clientSideCache: cache }) as object

  it('is a connected pool whose connections cache', async () => {
    const pool = createClientPool(caching())
    await pool.connect()
    tracked(pool)
    try {
      expect(() => db.store({ client: pool })).to.throw(TypeError, 'clientSideCache')
      expect(pool.idleClients).to.equal(1)
    } finally {
      await pool.close()
    }
  })

  it('is found out at its first command if it is a pool that was not connected yet', async () => {
    const pool = createClientPool(caching())
    const store = db.store({ client: pool })
    await pool.connect()
    tracked(pool)
    try {
      expect(await rejection(store.get('s1'))).to.be.instanceOf(TypeError)
    } finally {
      await pool.close()
    }
  })
})

describe('A client that is accepted', () => {
  const taken: [what: string, make: () => object][] = [
    ['a client that is not connected yet', () => createClient({ url })],
    ['a pool that is not connected yet', () => createClientPool({ url })],
    ['a Cluster', () => createCluster(nodes)],
    ['a Cluster that says that it reads no replicas', () => createCluster({ ...nodes, useReplicas: false })],
    ['a Sentinel client', () => createSentinel({ ...sentinel, replicaPoolSize: 0 })],
    ['a client with an empty keyPrefix', () => createClient({ url, keyPrefix: '' })],
    ['a client with another type mapping', () => createClient({ url }).withTypeMapping({})],
  ]
  for (const [what, make] of taken) {
    it(`is ${what}`, () => {
      expect(() => new UserSessionStore({ client: make() as never })).to.not.throw()
    })
  }

  it('is your own adapter with all methods of SessionClient', async () => {
    const told: string[] = []
    const reply = async (name: string, value: unknown) => {
      told.push(name)
      return value
    }
    const client: functions.SessionClient = {
      get: () => reply('get', null),
      set: () => reply('set', 'OK'),
      getDel: () => reply('getDel', null),
      pExpireAt: () => reply('pExpireAt', 0),
      eval: () => reply('eval', []),
      evalSha: () => reply('evalSha', []),
      scan: async () => ({ cursor: '0', keys: [] }),
    }
    const store = new UserSessionStore({ client })
    expect(await store.get('s1')).to.equal(null)
    expect(await store.length()).to.equal(0)
    expect(told).to.deep.equal(['get'])
  })
})
