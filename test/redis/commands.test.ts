/** The number and names of the commands that each operation sends. Most commands use only the session’s key. */
import { expect } from 'chai'
import { createSession, deleteSession, readSession, type UserSessionStoreOptions } from '../../src/index.ts'
import { appWith, browser, sessionOf } from '../support/app.ts'
import { atClock, nextMillisecond } from '../support/clock.ts'
import { HOUR, inMs, rejection } from '../support/database.ts'
import { loadScripts } from '../support/load-scripts.ts'
import { type Call, runs, watch } from '../support/paused-client.ts'
import { load, newId, onEveryStage, type Scene } from '../support/scene.ts'
import * as scripts from '../support/scripts.ts'
import { cookie, newSession } from '../support/sessions.ts'

const SESSIONS = 3
const LIFETIME = HOUR

/** `one`: commands on one server, a pool or Sentinel. On Cluster, a session and its index are in different slots. */
const commands: Record<string, { one: number; cluster: number }> = {
  'create, anonymous': { one: 1, cluster: 1 },
  create: { one: 1, cluster: 4 },
  get: { one: 1, cluster: 1 },
  'get, none': { one: 1, cluster: 1 },
  save: { one: 1, cluster: 1 },
  'save, anonymous': { one: 1, cluster: 1 },
  touch: { one: 1, cluster: 1 },
  'touch, anonymous': { one: 1, cluster: 1 },
  'touch, beyond what the index promises': { one: 1, cluster: 3 },
  'save, beyond what the index promises': { one: 1, cluster: 3 },
  destroy: { one: 2, cluster: 4 },
  'destroy, anonymous': { one: 2, cluster: 2 },
  'destroy, none': { one: 1, cluster: 1 },
  deleteSession: { one: 2, cluster: 4 },
  readSession: { one: 1, cluster: 1 },
  userSessions: { one: 2, cluster: 1 + SESSIONS },
  'userSessions, none': { one: 1, cluster: 1 },
  destroyUser: { one: 4, cluster: 2 + 4 * SESSIONS },
  updateUser: { one: 2 + SESSIONS, cluster: 1 + SESSIONS * 2 },
}

describe('Commands per operation', () => {
  onEveryStage((scene) => {
    const isCluster = () => scene.topology.name === 'cluster'
    const expected = (name: string) => commands[name]?.[isCluster() ? 'cluster' : 'one']
    const count = (options: Partial<UserSessionStoreOptions>) => counted(scene, options)

    // Other tests may have made the servers forget them.
    before(async () => {
      for (const { admin } of await scene.topology.masters()) await loadScripts(admin)
    })

    it('all policies off', async () => {
      const counts = await count({ touchInterval: 0 })
      for (const [name, number] of Object.entries(counts)) expect(number, name).to.equal(expected(name))
      expect(counts).to.have.all.keys(Object.keys(commands))
    })

    it('absoluteTtl and a subscriber ask for no more', async () => {
      const subscriber = await scene.topology.connect()
      const options = { absoluteTtl: 86_400, touchInterval: 0 }
      const listening = scene.topology.name === 'pool' ? {} : { subscriber: subscriber as never }
      const counts = await count({ ...options, ...listening })
      for (const [name, number] of Object.entries(counts)) expect(number, name).to.equal(expected(name))
      subscriber.destroy()
    })

    it('maxUserSessions sends commands only at a sign-in: for the listing, and for each eviction', async () => {
      const counts = await count({ maxUserSessions: SESSIONS + 2, touchInterval: 0 })
      for (const [name, number] of Object.entries(counts)) {
        const listing = name === 'create' ? (expected('userSessions') as number) : 0
        expect(number, name).to.equal((expected(name) as number) + listing)
      }
      const { client, calls } = watch(scene.client)
      const store = scene.store({ client, maxUserSessions: 2 })
      const signIn = async () => {
        calls.length = 0
        await store.set(newId(), newSession({ userId: 'alice' }))
        return calls.length
      }
      await signIn()
      const [second, third, fourth] = [await signIn(), await signIn(), await signIn()]
      expect(fourth).to.equal(third)
      const reads = isCluster() ? 1 : 0
      expect(third - second).to.equal(reads + (isCluster() ? 3 : 1))
    })

    it('maxUserSessions that refuses asks for no more, unless it refuses', async () => {
      const limit = SESSIONS + 1
      const maxUserSessions = { limit, onLimit: 'reject' as const }
      const counts = await count({ maxUserSessions, touchInterval: 0 })
      for (const [name, number] of Object.entries(counts)) expect(number, name).to.equal(expected(name))
      const { client, calls } = watch(scene.client)
      const store = scene.store({ client, maxUserSessions })
      for (let n = 0; n < limit; n++) await store.set(newId(), newSession({ userId: 'alice' }))
      calls.length = 0
      await rejection(store.set(newId(), newSession({ userId: 'alice' })))
      // The write that was refused, and a listing that looks if all of them live.
      expect(calls).to.have.lengthOf(1 + (isCluster() ? 1 + limit : 2))
    })

    it('touchInterval, with its default, sends no command if a touch is not due', async () => {
      for (const options of [{}, { touchInterval: 60 }]) {
        const counts = await count(options)
        for (const [name, number] of Object.entries(counts)) {
          const isSpared = name === 'touch' || name === 'touch, anonymous'
          expect(number, name).to.equal(isSpared ? 0 : expected(name))
        }
        await scene.store().destroyUser('alice')
      }
    })

    it('a request that only reads: one to load, and one plain command to touch, no script and no index', async () => {
      const { client, calls } = watch(scene.client)
      const device = browser(
        appWith(
          scene.store({ client, touchInterval: 0 }),
          {
            '/sign-in': (req, res) => {
              sessionOf(req).userId = 'alice'
              res.send('in')
            },
            '/read': (_req, res) => res.send('read'),
          },
          { cookie: { maxAge: HOUR } },
        ),
      )
      await device.get('/sign-in').expect('in')
      for (let n = 0; n < 10; n++) {
        calls.length = 0
        await nextMillisecond()
        await device.get('/read').expect('read')
        expect(calls.map(nameOf)).to.deep.equal(['get', 'pexpireat'])
      }
    })

    it('a save asks for one key, and so do load, touch and destroy of an anonymous session', async () => {
      const { client, calls } = watch(scene.client)
      const store = scene.store({ client, touchInterval: 0 })
      for (const userId of ['alice', undefined]) {
        const id = await scene.signIn(userId)
        calls.length = 0
        const session = await load(store, id)
        await store.set(id, Object.assign(session, { cart: ['book'] }))
        await nextMillisecond()
        session.touch()
        await store.touch(id, session)
        if (userId === undefined) await store.destroy(id)
        expect(calls.length).to.be.at.least(3)
        for (const call of calls) expect(keysOf(call), nameOf(call)).to.deep.equal([scene.sessionKey(id)])
      }
    })

    it('deleteSession, and destroy, of any session: at most four, and one if there is none', async () => {
      const { client, calls } = watch(scene.client)
      const options = { ...scene.options, client }
      const store = scene.store({ client })
      const data = { userId: 'alice', expires: inMs(HOUR) }
      for (const make of [
        () => createSession({ ...scene.options, data }),
        () => scene.signIn('alice'),
        () => scene.signIn(undefined),
        () => ofOwnUser(scene),
        () => ofConnectRedis(scene),
        () => corrupt(scene),
      ]) {
        for (const remove of [
          (sessionId: string) => deleteSession({ ...options, sessionId }),
          (sessionId: string) => store.destroy(sessionId),
        ]) {
          const id = await make()
          calls.length = 0
          await remove(id)
          expect(calls.length).to.be.at.most(4)
          expect(await scene.lives(id)).to.equal(false)
          calls.length = 0
          await remove(id)
          expect(calls).to.have.lengthOf(1)
        }
      }
    })

    it('destroyUser of a hundred sessions: a handful of commands, but on Cluster one removal for each session', async () => {
      const many = 100
      const ids = await Promise.all(Array.from({ length: many }, () => scene.signIn('alice')))
      const { client, calls } = watch(scene.client)
      expect(await scene.store({ client }).destroyUser('alice')).to.equal(many)
      expect(calls.length).to.be.at.most(isCluster() ? 2 + 4 * many : 6)
      for (const id of ids.slice(0, 3)) await scene.expectGone(id)
      expect(await scene.keys()).to.deep.equal([])
    })

    it('updateUser of a hundred sessions: one for each, and a handful', async () => {
      const many = 100
      await Promise.all(Array.from({ length: many }, () => scene.signIn('alice')))
      const { client, calls } = watch(scene.client)
      expect(await scene.store({ client }).updateUser('alice', { role: 'guest' } as never)).to.equal(many)
      expect(calls.length).to.be.at.most(isCluster() ? 2 + 2 * many : many + 4)
    })

    it('overlapping saves of one session: one for each', async () => {
      const many = 400
      const id = await scene.signIn('alice')
      const { client, calls } = watch(scene.client)
      const store = scene.store({ client })
      const sessions = await Promise.all(Array.from({ length: many }, () => load(store, id)))
      calls.length = 0
      await Promise.all(sessions.map((each, n) => store.set(id, Object.assign(each, { [`change${n}`]: n }))))
      // A client finds out once that its server does not know IFEQ.
      expect(calls.length).to.be.within(many, many + 1)
      const names = Array.from({ length: many }, (_, n) => `change${n}`)
      expect(await scene.record(id)).to.include.keys(names)
    })
  })
})

async function counted(
  scene: Scene,
  options: Partial<UserSessionStoreOptions>,
): Promise<Record<string, number | undefined>> {
  const { client, calls } = watch(scene.client)
  const store = scene.store({ ...options, client })
  const counts: Record<string, number> = {}
  const measure = async (name: string, work: () => Promise<unknown>) => {
    calls.length = 0
    await work()
    counts[name] = calls.length
    expect(calls.map(nameOf), `${name} enumerates no keys`).not.to.include('scan')
  }
  const signIn = (id: string, fields: object) => store.set(id, newSession({ ...fields }, cookie(LIFETIME)))
  for (let n = 1; n < SESSIONS; n++) await signIn(newId(), { userId: 'alice' })
  const [mine, nobodys, bobs] = [newId(), newId(), newId()]
  await measure('create', () => signIn(mine, { userId: 'alice' }))
  await measure('create, anonymous', () => signIn(nobodys, {}))
  await signIn(bobs, { userId: 'bob' })
  // A client finds out once that its server does not know IFEQ. The save of an anonymous session is one key, always.
  await store.set(nobodys, Object.assign(await load(store, nobodys), { cart: [] }))
  await measure('get', () => store.get(mine))
  await measure('get, none', () => store.get('none'))
  for (const [id, suffix] of [
    [mine, ''],
    [nobodys, ', anonymous'],
  ] as const) {
    const session = await load(store, id)
    session.cart = [newId()]
    session.touch()
    await measure(`save${suffix}`, () => store.set(id, session))
    const next = await load(store, id)
    await nextMillisecond()
    next.touch()
    await measure(`touch${suffix}`, () => store.touch(id, next))
  }
  await beyond('touch', (session) => store.touch(mine, session))
  await beyond('save', (session) => store.set(mine, Object.assign(session, { cart: [newId()] })))
  await measure('destroy', () => store.destroy(bobs))
  await measure('destroy, anonymous', () => store.destroy(nobodys))
  await measure('destroy, none', () => store.destroy('none'))
  await signIn(bobs, { userId: 'bob' })
  const { options: functions } = scene
  await measure('readSession', () => readSession({ ...functions, client, sessionId: bobs }))
  await measure('deleteSession', () => deleteSession({ ...functions, client, sessionId: bobs }))
  await measure('userSessions', () => store.userSessions('alice'))
  await measure('userSessions, none', () => store.userSessions('nobody'))
  await measure('updateUser', () => store.updateUser('alice', { role: 'admin' } as never))
  await measure('destroyUser', () => store.destroyUser('alice'))
  return counts

  /** Calls so late that the index does not list the session long enough. Each time is later than the one before. */
  async function beyond(name: string, work: (session: Awaited<ReturnType<typeof load>>) => Promise<void>) {
    const session = await load(store, mine)
    const late = { touch: LIFETIME / 4, save: LIFETIME / 2 }[name] as number
    await atClock(late, () => {
      session.touch()
      return measure(`${name}, beyond what the index promises`, () => work(session))
    })
  }
}

/** Of a store that finds its users in another property. */
async function ofOwnUser(scene: Scene): Promise<string> {
  const id = newId()
  const userId = (session: { account?: string }) => session.account
  await scene.store({ userId: userId as never }).set(id, newSession({ account: 'alice' }))
  return id
}

async function ofConnectRedis(scene: Scene): Promise<string> {
  const id = newId()
  const old = { originalMaxAge: HOUR, expires: inMs(HOUR), httpOnly: true, path: '/' }
  const record = JSON.stringify({ cookie: old, userId: 'alice' })
  await scene.client.set(scene.sessionKey(id), record, { PXAT: Date.now() + HOUR })
  return id
}

async function corrupt(scene: Scene): Promise<string> {
  const id = newId()
  await scene.client.set(scene.sessionKey(id), 'no JSON', { PXAT: Date.now() + HOUR })
  return id
}

/** The command in lower case, or the name of the script. */
function nameOf(call: Call): string {
  const script = Object.values(scripts).find((each) => typeof each === 'object' && runs(each)(call))
  if (typeof script === 'object') return script.name
  return String(rawOf(call)?.[0] ?? call.command).toLowerCase()
}

function keysOf(call: Call): unknown {
  const raw = rawOf(call)
  if (raw) return [raw[1]]
  return call.command.startsWith('eval') ? (call.args[1] as { keys: string[] }).keys : [call.args[0]]
}

/** The words of a command that was sent as they are. */
function rawOf({ command, args }: Call): string[] | undefined {
  return command === 'sendCommand' ? (args.find((arg) => Array.isArray(arg)) as string[]) : undefined
}
