/** The least ACL rule: the whole package runs under it, and every part of it is needed. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { createClient, createCluster } from 'redis'
import {
  createSession,
  deleteSession,
  deleteUserSessions,
  getUserSessions,
  NotReplicatedError,
  readSession,
  UserSessionStore,
  type UserSessionStoreOptions,
  updateSession,
  updateUserSessions,
} from '../../src/index.ts'
import { HOUR, inMs } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { cookie, newSession } from '../support/sessions.ts'
import { startTopology, type Topology } from '../support/topologies.ts'

const PASSWORD = 'a password of the tests'

const prefix = 'session:'
const userPrefix = 'user:'

/** docs/production.md has the rule, and the additions that some options need. */
const [, section = ''] =
  /<!-- acl -->(.*)<!-- \/acl -->/s.exec(readFileSync('docs/production.md', 'utf8').replaceAll('\\|', '|')) ??
  []
const [, rule = ''] = /```text\nACL SETUSER app on >password (.*)```/s.exec(section) ?? []
const words = rule.split(/\s+/).filter(Boolean)
/** The commands that the functions and the store need, directly or in their scripts. */
const commands = words.filter((word) => word.startsWith('+'))
const keys = words.filter((word) => !word.startsWith('+') && word !== 'resetchannels' && word !== '-@all')

/** The rules in a row of the table, each group of words in backquotes. */
function alsoFor(what: string): string[][] {
  const row = section.split('\n').find((line) => line.startsWith(`| ${what} |`)) ?? ''
  const groups = [...row.matchAll(/`([+&][^`]*)`/g)].map(([, group = '']) => group.split(' '))
  if (groups.length === 0) throw new Error(`docs/production.md has no rule for ${what}`)
  return groups
}

const [toEvict, toReject] = alsoFor('`maxUserSessions`') as [string[], string[]]
const [subscriberRule, listening] = alsoFor('`subscriber`') as [string[], string[]]
// The second channel is the store's own. Its answer tells the store that the subscription is active again.
const listenerRule = ['resetkeys', 'resetchannels', '-@all', ...listening]
const [onCluster] = alsoFor('Redis Cluster') as [string[]]

/** The additions that some options need. */
const more: Record<string, { rule: string[]; options: Partial<UserSessionStoreOptions> }> = {
  maxUserSessions: { rule: toEvict, options: { maxUserSessions: 2 } },
  'maxUserSessions that rejects': {
    rule: toReject,
    options: { maxUserSessions: { limit: 50, onLimit: 'reject' } },
  },
  waitForReplicas: {
    rule: alsoFor('`waitForReplicas`')[0] as string[],
    options: { waitForReplicas: { count: 1, timeout: 1 } },
  },
}

type Client = UserSessionStoreOptions['client']

describe('under the least ACL rule', () => {
  it('of docs/production.md, which names keys, commands and no more', () => {
    expect(keys).to.deep.equal(['resetkeys', `~${prefix}*`, `~${userPrefix}*`])
    expect(words).to.deep.equal([...keys, 'resetchannels', '-@all', ...commands])
    expect(commands).to.include.members(['+get', '+set', '+getdel', '+pexpireat', '+evalsha'])
  })

  let topology: Topology
  before(async () => {
    topology = await startTopology('server')
  })
  after(() => topology.stop())

  it('all functions and methods work', async () => {
    expect(await failuresUnder(topology, commands)).to.deep.equal([])
  })

  for (const [name, { rule, options }] of Object.entries(more)) {
    it(`and the rules for ${name}, it works, and every rule is needed`, async () => {
      expect(await failuresUnder(topology, [...commands, ...rule], options)).to.deep.equal([])
      for (const command of rule) {
        const rest = rule.filter((each) => each !== command)
        expect(await failuresUnder(topology, [...commands, ...rest], options), `without ${command}`).not.to.be
          .empty
      }
    })
  }

  for (const command of commands) {
    it(`something fails without ${command}`, async () => {
      const rest = commands.filter((each) => each !== command)
      expect(await failuresUnder(topology, rest)).not.to.deep.equal([])
    })
  }

  it('neither pattern of keys can go', async () => {
    for (const pattern of keys.slice(1)) {
      const rest = keys.filter((each) => each !== pattern)
      expect(await failuresUnder(topology, commands, {}, rest), `without ${pattern}`).not.to.be.empty
    }
  })

  it('revocations are announced and heard, and neither rule for that can be less', async () => {
    expect(await hears(topology, subscriberRule, listenerRule)).to.equal(true)
    for (const part of ['+publish', `&${prefix}revoked`]) {
      const rest = subscriberRule.filter((each) => each !== part)
      expect(await hears(topology, rest, listenerRule), `without ${part}`).to.equal(false)
    }
    for (const part of ['+subscribe', `&${prefix}revoked*`]) {
      const rest = listenerRule.filter((each) => each !== part)
      expect(await hears(topology, subscriberRule, rest), `without ${part}`).to.equal(false)
    }
  })

  describe('of Redis Cluster', () => {
    let cluster: Topology
    before(async function () {
      this.timeout('5m')
      cluster = await startTopology('cluster')
    })
    after(() => cluster.stop())

    it('all functions and methods work', async () => {
      expect(await failuresUnder(cluster, [...commands, ...onCluster])).to.deep.equal([])
    })

    for (const name of ['maxUserSessions', 'maxUserSessions that rejects']) {
      it(`and the rules for ${name}, it works`, async () => {
        const { rule = [], options } = more[name] ?? {}
        const all = [...commands, ...onCluster, ...rule]
        expect(await failuresUnder(cluster, all, options)).to.deep.equal([])
      })
    }

    it('something fails without +zscore', async () => {
      const rest = onCluster.filter((word) => word !== '+zscore')
      expect(await failuresUnder(cluster, [...commands, ...rest])).not.to.deep.equal([])
    })

    it('there is no way in without +cluster|slots', async () => {
      expect(await failuresUnder(cluster, commands))
        .to.have.property('0')
        .that.match(/^connect/)
    })
  })
})

/** Resolves to the calls that fail for a user with these rules, each with its error. */
async function failuresUnder(
  topology: Topology,
  rule: string[],
  options: Partial<UserSessionStoreOptions> = {},
  patterns = keys,
): Promise<string[]> {
  for (const { admin } of topology.nodes) {
    await admin.flushAll()
    await admin.scriptFlush()
  }
  const user = await createUser(topology, [...patterns, 'resetchannels', '-@all', ...rule])
  const client = await connect(topology, user).catch((error: Error) => error)
  if (client instanceof Error) return [`connect: ${client.message}`]
  const failures: string[] = []
  try {
    for (const [name, work] of Object.entries(everything(client, options))) {
      try {
        await work()
      } catch (error) {
        // There are no replicas here, but counting them needs every right that the option needs.
        if (!(error instanceof NotReplicatedError)) failures.push(`${name}: ${error}`)
      }
    }
  } finally {
    client.destroy()
  }
  return failures
}

function everything(client: Client, options: Partial<UserSessionStoreOptions>) {
  const all = { client, prefix, userPrefix }
  const store = new UserSessionStore({ ...all, ...options })
  const data = () => ({ userId: 'alice', expires: inMs(HOUR) })
  const save = (id: string, fields: object, maxAge = HOUR) =>
    store.set(id, newSession({ ...fields }, cookie(maxAge)))
  const change = async (id: string, fields: object) =>
    store.set(id, Object.assign((await store.get(id)) ?? newSession(), fields))
  return {
    createSession: async () => {
      await createSession({ ...all, sessionId: 'a', data: data() })
      await createSession({ ...all, sessionId: 'a', data: data() })
    },
    readSession: () => readSession({ ...all, sessionId: 'a' }),
    updateSession: () => updateSession({ ...all, sessionId: 'a', data: { role: 'admin' } }),
    updateUserSessions: () =>
      updateUserSessions({ ...all, userId: 'alice', data: { expires: inMs(2 * HOUR) } }),
    getUserSessions: () => getUserSessions({ ...all, userId: 'alice' }),
    deleteSession: () => deleteSession({ ...all, sessionId: 'a' }),
    deleteUserSessions: async () => {
      await createSession({ ...all, data: data() })
      await deleteUserSessions({ ...all, userId: 'alice' })
    },
    set: async () => {
      await save('anonymous', {})
      await save('b', { userId: 'bob' })
      await save('passport', { passport: { user: 'bob' } })
      await save('c', { userId: 'bob' }, 2 * HOUR)
      await save('d', { userId: 'bob' })
      await change('d', { userId: 'carol' })
      await change('d', { cart: [] })
    },
    'updateSession of a Passport session': () =>
      updateSession({ ...all, sessionId: 'c', data: { expires: inMs(HOUR) } }),
    'createSession over a session of nobody known': async () => {
      await store.set('nobody', newSession({ passport: { user: 'dave' } }))
      await createSession({ ...all, sessionId: 'nobody', data: { ...data(), userId: 'dave' } })
      await store.destroy('nobody')
    },
    get: () => store.get('d'),
    touch: async () => {
      await store.set('touched', newSession({ userId: 'eva' }))
      const session = (await store.get('touched')) ?? newSession()
      session.cookie.expires = new Date(Date.now() + 2 * HOUR)
      await store.touch('touched', session)
    },
    lists: async () => {
      await store.all()
      await store.ids()
      await store.length()
      for await (const _ of store.sessions());
    },
    userSessions: () => store.userSessions('bob'),
    updateUser: () => store.updateUser('bob', { role: 'guest' } as never),
    reindex: () => store.reindex({ onProgress() {} }),
    destroyUserSession: () => store.destroyUserSession('bob', 'c'),
    'destroyUser but one': () => store.destroyUser('bob', { except: 'd' }),
    'destroyUser of a stale index': () => store.destroyUser('bob'),
    destroy: () => store.destroy('d'),
    clear: () => store.clear(),
  }
}

/** Resolves to whether a store with a `subscriber` hears the messages of another store with these rules. */
async function hears(topology: Topology, announcing: string[], listening: string[]): Promise<boolean> {
  const clients = [
    await connect(
      topology,
      await createUser(topology, [...keys, 'resetchannels', '-@all', ...commands, ...announcing]),
    ),
    await connect(topology, await createUser(topology, listening)),
    await connect(topology, await createUser(topology, ['allkeys', 'allchannels', '+@all'])),
    await connect(topology, await createUser(topology, ['allkeys', 'allchannels', '+@all'])),
  ] as const
  const [announcer, subscriber, free, freeToListen] = clients
  try {
    const there = new UserSessionStore({
      client: announcer,
      prefix,
      userPrefix,
      subscriber: freeToListen as never,
    })
    const unannounced = new Promise<false>((resolve) => there.on('subscriberError', () => resolve(false)))
    const here = new UserSessionStore({ client: free, prefix, userPrefix, subscriber: subscriber as never })
    let failed = false
    here.on('subscriberError', () => {
      failed = true
    })
    await here.set('heard', newSession({ userId: 'alice' }))
    const heard = new Promise<true>((resolve) => here.on('destroyed', () => resolve(true)))
    await eventually('both to listen', async () => {
      const listeners = await topology.nodes[0]?.admin.pubSubNumSub(`${prefix}revoked`)
      return failed || listeners?.[`${prefix}revoked`] === 2
    })
    if (failed) return false
    await there.destroy('heard')
    return await Promise.race([heard, unannounced])
  } finally {
    for (const client of clients) client.destroy()
  }
}

async function createUser(topology: Topology, rule: string[]): Promise<string> {
  const name = `app${randomBytes(6).toString('hex')}`
  for (const { admin } of topology.nodes) await admin.aclSetUser(name, ['on', `>${PASSWORD}`, ...rule])
  return name
}

async function connect({ name, nodes }: Topology, username: string) {
  const credentials = { username, password: PASSWORD }
  const rootNodes = nodes.map(({ server }) => ({ url: server.url }))
  const client =
    name === 'cluster'
      ? createCluster({ rootNodes, defaults: credentials })
      : createClient({ url: rootNodes[0]?.url, ...credentials })
  client.on('error', () => {})
  return client.connect()
}
