/**
 * Compiled, never run. Every kind of client fits `client` without a cast, with any modules, RESP version and type
 * mapping. A client that can subscribe fits `subscriber`.
 */
import * as ioredis from 'ioredis'
import * as iovalkey from 'iovalkey'
import {
  createClient,
  createClientPool,
  createCluster,
  createSentinel,
  defineScript,
  RESP_TYPES,
} from 'redis'
import {
  createSession,
  getUserSessions,
  readSession,
  type SessionClient,
  type SetArguments,
  UserSessionStore,
} from '../../src/index.ts'

const script = defineScript({
  NUMBER_OF_KEYS: 1,
  SCRIPT: 'return 1',
  parseCommand() {},
  transformReply: (reply: number) => reply,
})

export async function clients(): Promise<UserSessionStore[]> {
  const made = [
    new UserSessionStore({ client: createClient() }),
    new UserSessionStore({ client: await createClient().connect() }),
    new UserSessionStore({ client: createClient({ RESP: 2 }) }),
    new UserSessionStore({ client: createClient({ RESP: 3 }) }),
    new UserSessionStore({ client: createClient({ modules: {} }) }),
    new UserSessionStore({ client: createClient({ scripts: { script } }) }),
    new UserSessionStore({ client: createClient({ modules: { own: { script } } }) }),
    new UserSessionStore({ client: createClient().withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer }) }),
    new UserSessionStore({ client: createClient({ commandOptions: { timeout: 100 } }) }),
    new UserSessionStore({ client: createClient().on('error', () => {}) }),
    new UserSessionStore({ client: createClient().duplicate() }),

    new UserSessionStore({ client: createClientPool() }),
    new UserSessionStore({ client: createClientPool({ RESP: 2 }, { minimum: 1 }) }),
    new UserSessionStore({ client: createClientPool({ RESP: 3, scripts: { script } }) }),
    new UserSessionStore({ client: createClientPool().on('error', () => {}) }),

    new UserSessionStore({ client: createCluster({ rootNodes: [] }) }),
    new UserSessionStore({ client: await createCluster({ rootNodes: [] }).connect() }),
    new UserSessionStore({ client: createCluster({ rootNodes: [], RESP: 2 }) }),
    new UserSessionStore({
      client: createCluster({ rootNodes: [], RESP: 3, modules: {}, scripts: { script } }),
    }),
    new UserSessionStore({ client: createCluster({ rootNodes: [] }).on('error', () => {}) }),

    new UserSessionStore({ client: createSentinel({ name: 'main', sentinelRootNodes: [] }) }),
    new UserSessionStore({ client: await createSentinel({ name: 'main', sentinelRootNodes: [] }).connect() }),
    new UserSessionStore({ client: createSentinel({ name: 'main', sentinelRootNodes: [], RESP: 2 }) }),
    new UserSessionStore({
      client: createSentinel({ name: 'main', sentinelRootNodes: [], RESP: 3, modules: {} }),
    }),
    new UserSessionStore({
      client: createSentinel({ name: 'main', sentinelRootNodes: [] }).on('error', () => {}),
    }),
  ]
  return made
}

export function clientsOfOtherDrivers(): UserSessionStore[] {
  const client = new ioredis.Redis()
  return [
    new UserSessionStore({ client }),
    new UserSessionStore({ client: new ioredis.Redis({ sentinels: [], name: 'main' }) }),
    new UserSessionStore({ client: new ioredis.Redis({ replyMapping: 'resp3' }) }),
    new UserSessionStore({ client: new ioredis.Cluster([]) }),
    new UserSessionStore({ client: new iovalkey.Redis() }),
    new UserSessionStore({ client: new iovalkey.Cluster([]) }),
    new UserSessionStore({ client, subscriber: client.duplicate() }),
    new UserSessionStore({ client, subscriber: new ioredis.Cluster([]) }),
    new UserSessionStore({ client, subscriber: new iovalkey.Redis() }),
  ]
}

/** The interface lists everything that your own client needs. */
export function ownClient(send: (...args: string[]) => Promise<unknown>): SessionClient {
  return {
    get: (key) => send('GET', key),
    set: (key, value, { expiration, condition, matchValue }: SetArguments) =>
      send(
        ...['SET', key, value, condition ?? '', matchValue ?? '', expiration.type].filter(Boolean),
        String(expiration.value),
      ),
    getDel: (key) => send('GETDEL', key),
    pExpireAt: (key, at, mode) => send('PEXPIREAT', key, String(at), mode),
    eval: (script, { keys = [], arguments: args = [] }) =>
      send('EVAL', script, String(keys.length), ...keys, ...args),
    evalSha: (sha1, { keys = [], arguments: args = [] }) =>
      send('EVALSHA', sha1, String(keys.length), ...keys, ...args),
    async scan(cursor, { MATCH, COUNT }) {
      const reply = await send('SCAN', cursor, 'MATCH', MATCH, 'COUNT', String(COUNT))
      const [next, keys] = reply as [string, string[]]
      return { cursor: next, keys }
    },
    wait: (replicas, timeoutMs) => send('WAIT', String(replicas), String(timeoutMs)),
  }
}

export async function subscribers(): Promise<UserSessionStore[]> {
  const client = createClient()
  const made = [
    new UserSessionStore({ client, subscriber: client.duplicate() }),
    new UserSessionStore({ client, subscriber: await client.duplicate().connect() }),
    new UserSessionStore({ client, subscriber: createClient({ RESP: 2 }) }),
    new UserSessionStore({ client, subscriber: createClient({ modules: {}, scripts: { script } }) }),
    new UserSessionStore({ client, subscriber: createClient().on('error', () => {}) }),

    new UserSessionStore({ client, subscriber: createCluster({ rootNodes: [] }) }),
    new UserSessionStore({ client, subscriber: await createCluster({ rootNodes: [] }).connect() }),
    new UserSessionStore({ client, subscriber: createCluster({ rootNodes: [], RESP: 2 }) }),
    new UserSessionStore({ client, subscriber: createCluster({ rootNodes: [] }).on('error', () => {}) }),

    new UserSessionStore({ client, subscriber: createSentinel({ name: 'main', sentinelRootNodes: [] }) }),
    new UserSessionStore({
      client,
      subscriber: await createSentinel({ name: 'main', sentinelRootNodes: [], RESP: 2 }).connect(),
    }),
  ]
  // @ts-expect-error a pool cannot subscribe
  new UserSessionStore({ client, subscriber: createClientPool() })
  return made
}

export async function functionsTakeThemToo(): Promise<void> {
  const sessionId = 's1'
  await readSession({ client: createClient(), sessionId })
  await readSession({ client: createClientPool(), sessionId })
  await readSession({ client: createCluster({ rootNodes: [] }), sessionId })
  await readSession({ client: createSentinel({ name: 'main', sentinelRootNodes: [] }), sessionId })
}

/** An app keeps its client in a variable of its own type, or of ours. */
export async function clientsInVariables(own: ReturnType<typeof createClient>): Promise<void> {
  const client: SessionClient = own
  await createSession({ client, data: { userId: 'eva', expires: '2999-01-01' } })
  await getUserSessions({ client: own, userId: 'eva' })
}

export function notClients(): void {
  // @ts-expect-error a URL is no client
  new UserSessionStore({ client: 'redis://localhost' })
  // @ts-expect-error an object without commands is no client
  new UserSessionStore({ client: {} })
  // @ts-expect-error a promise of a client is no client
  new UserSessionStore({ client: createClient().connect() })
  // @ts-expect-error the client is required
  new UserSessionStore({})
  // @ts-expect-error so are the options
  new UserSessionStore()
}
