/**
 * A process that dies in the middle of an operation: after each single command of it, on one server and on
 * Cluster. What it leaves must hold the guarantees, read from Redis itself; ordinary use repairs the rest.
 */
import { expect } from 'chai'
import {
  createSession,
  deleteSession,
  deleteUserSessions,
  type UserSessionStore,
  updateSession,
  updateUserSessions,
} from '../../src/index.ts'
import * as scripts from '../../src/redis/scripts.ts'
import { HOUR, inMs, MINUTE, rejection } from '../support/database.ts'
import { freshPrefixes } from '../support/hooks.ts'
import { ClientDied, dieAfter, watch } from '../support/paused-client.ts'
import { load, onEveryStage, Scene } from '../support/scene.ts'
import { cookie, type Fields, newSession } from '../support/sessions.ts'
import type { AnyClient } from '../support/topologies.ts'

const TIMEOUT = '5m'
const NO_KEY = -2
const allScripts = Object.values(scripts).filter((each) => typeof each === 'object')

/** What dies: it works on the session `id` of alice, who has another one, `other`. */
type Victim = {
  store: UserSessionStore
  options: Fields & { client: AnyClient }
  id: string
  other: string
}

type Operation = {
  work: (victim: Victim) => Promise<unknown>
  /** Something that makes the operation harder, before the client is given its end. */
  before?: (scene: Scene, victim: Victim) => Promise<unknown>
  /** It starts without the session. */
  creates?: true
  /** It works on everybody's sessions. */
  onAll?: true
  /** What must be done again before the guarantees hold: they did not when it started. */
  again?: (scene: Scene) => Promise<unknown>
}

const operations: Record<string, Operation> = {
  create: { creates: true, work: ({ store, id }) => store.set(id, newSession({ userId: 'alice' })) },
  createSession: {
    creates: true,
    work: ({ options, id }) =>
      createSession({ ...options, sessionId: id, data: { userId: 'alice', expires: inMs(HOUR) } }),
  },
  'an anonymous create': { creates: true, work: ({ store, id }) => store.set(id, newSession()) },
  'a create over another session': {
    work: ({ store, id }) => store.set(id, newSession({ userId: 'carol' }, cookie(MINUTE))),
  },
  'a save that keeps the TTL': { work: ({ store, id }) => save(store, id, { cart: 1 }) },
  'a save that raises the TTL': {
    work: ({ store, id }) => save(store, id, { cart: 1, cookie: cookie(2 * HOUR) }),
  },
  'a save that lowers the TTL': {
    work: ({ store, id }) => save(store, id, { cart: 1, cookie: cookie(MINUTE) }),
  },
  'a sign-in': {
    before: (scene, { id }) => scene.store().set(id, newSession()),
    work: ({ store, id }) => save(store, id, { userId: 'alice' }),
  },
  'a user switch': { work: ({ store, id }) => save(store, id, { userId: 'carol' }) },
  'a user switch that raises the TTL': {
    work: ({ store, id }) => save(store, id, { userId: 'carol', cookie: cookie(2 * HOUR) }),
  },
  'a sign-out by save': { work: ({ store, id }) => save(store, id, { userId: undefined }) },
  'a touch that raises the TTL': { work: ({ store, id }) => touch(store, id, 2 * HOUR) },
  'a touch that lowers the TTL': { work: ({ store, id }) => touch(store, id, MINUTE) },
  'a touch of what was not loaded': {
    work: ({ store, id }) => store.touch(id, newSession({}, cookie(MINUTE))),
  },
  'a save that merges': {
    work: async ({ store, id, options }) => {
      const session = await load(store, id)
      await updateSession({ ...options, sessionId: id, data: { role: 'guest', expires: inMs(2 * HOUR) } })
      await store.set(id, Object.assign(session, { cart: 1 }))
    },
  },
  updateSession: {
    work: ({ options, id }) => updateSession({ ...options, sessionId: id, data: { cart: 1 } }),
  },
  'updateSession with a later expiry': {
    work: ({ options, id }) =>
      updateSession({ ...options, sessionId: id, data: { expires: inMs(2 * HOUR) } }),
  },
  'updateSession with a sooner expiry': {
    work: ({ options, id }) => updateSession({ ...options, sessionId: id, data: { expires: inMs(MINUTE) } }),
  },
  updateUser: { work: ({ store }) => store.updateUser('alice', { role: 'guest' } as never) },
  'updateUserSessions with a sooner expiry': {
    work: ({ options }) =>
      updateUserSessions({ ...options, userId: 'alice', data: { expires: inMs(MINUTE) } }),
  },
  destroy: { work: ({ store, id }) => store.destroy(id) },
  deleteSession: { work: ({ options, id }) => deleteSession({ ...options, sessionId: id }) },
  destroyUser: { work: ({ store }) => store.destroyUser('alice') },
  'destroyUser except one': { work: ({ store, other }) => store.destroyUser('alice', { except: other }) },
  destroyUserSession: { work: ({ store, id }) => store.destroyUserSession('alice', id) },
  deleteUserSessions: { work: ({ options }) => deleteUserSessions({ ...options, userId: 'alice' }) },
  'a listing that prunes': {
    before: (scene, victim) => disturb(scene, victim.id),
    work: ({ store }) => store.userSessions('alice'),
  },
  reindex: {
    before: (scene) => scene.client.del(scene.indexKey('alice')),
    work: ({ store }) => store.reindex(),
    again: (scene) => scene.store().reindex(),
  },
  clear: { onAll: true, work: ({ store }) => store.clear() },
}

/** Whom the operations are about. */
const users = ['alice', 'carol']
const everybody = [...users, 'bob']

/** Ordinary use after the crash, by another process, of the users that were concerned. */
const repairs: Record<string, (scene: Scene) => Promise<void>> = {
  /** On Cluster an entry may stay too long until the session's next save: who lowers it must know that nobody raises it. */
  'a listing': async (scene) => {
    for (const user of users) await scene.store().userSessions(user)
    await expectListed(scene, scene.topology.name === 'cluster' ? 'at least' : 'exactly')
  },
  'the next save of each session': async (scene) => {
    for (const { id, owner } of await liveSessions(scene)) {
      if (owner !== 'bob') await scene.request(id, { visits: 1 })
    }
    for (const user of users) await scene.store().userSessions(user)
    await expectListed(scene, 'exactly')
  },
  'a sign-out everywhere': async (scene) => {
    for (const user of users) await scene.store().destroyUser(user)
    for (const user of users) expect(await scene.index(user)).to.deep.equal({})
    for (const { owner } of await liveSessions(scene)) expect(owner).not.to.be.oneOf(users)
  },
}

describe('a process that dies', () => {
  onEveryStage(
    (stage) => {
      before(async () => {
        for (const { admin } of await stage.topology.masters()) {
          for (const { source } of allScripts) await admin.scriptLoad(source)
        }
      })

      for (const [name, operation] of Object.entries(operations)) {
        it(`in ${name} leaves the guarantees intact, and what ordinary use repairs`, async function () {
          this.timeout(TIMEOUT)
          const commands = await countCommands(sceneOn(stage), operation)
          expect(commands, 'commands of the operation').to.be.greaterThan(0)
          const deaths = Array.from({ length: commands }, (_, n) => n + 1)
          for (const repair of Object.values(repairs)) {
            await Promise.all(deaths.map((n) => crash(sceneOn(stage), operation, repair, n)))
          }
        })
      }
    },
    ['server', 'cluster'],
  )
})

/** A stage of its own for each crash, so that many can go on at once. */
function sceneOn({ topology, client }: Scene): Scene {
  return Object.assign(new Scene(), { topology, client, prefixes: freshPrefixes() })
}

async function countCommands(scene: Scene, operation: Operation): Promise<number> {
  const victim = await setUp(scene, operation)
  const { client, calls } = watch(scene.client)
  await operation.work(victimWith(scene, victim, client))
  await expectGuarantees(scene)
  return calls.length
}

/** The process dies after its n-th command: Redis has done it, and nobody hears of it. */
async function crash(
  scene: Scene,
  operation: Operation,
  repair: (scene: Scene) => Promise<void>,
  n: number,
): Promise<void> {
  const victim = await setUp(scene, operation)
  const bobs = await scene.signIn('bob')
  const lookAtBob = () => Promise.all([scene.record(bobs), scene.expiry(bobs), scene.index('bob')])
  const bystander = await lookAtBob()
  const mortal = dieAfter(scene.client, n)
  const end = await rejection(operation.work(victimWith(scene, victim, mortal.client)))
  expect(mortal.dead, `a command ${n}`).to.equal(true)
  expect(end, 'what its caller was told').to.be.instanceOf(ClientDied)
  await operation.again?.(scene)
  await expectGuarantees(scene)
  await repair(scene)
  await expectGuarantees(scene)
  if (!operation.onAll) expect(await lookAtBob(), 'what is of bob').to.deep.equal(bystander)
  await scene.store().clear()
  for (const user of everybody) await scene.store().userSessions(user)
  expect(await scene.keys(), 'keys after all is cleared').to.deep.equal([])
}

/** Alice with two sessions, of which an operation that creates one has still to make the first. */
async function setUp(scene: Scene, { before, creates }: Operation): Promise<Victim> {
  const victim = victimWith(scene, { id: 'first', other: 'other' }, scene.client)
  if (!creates) await scene.signIn('alice', {}, victim.id)
  await scene.signIn('alice', {}, victim.other)
  await before?.(scene, victim)
  return victim
}

function victimWith(scene: Scene, { id, other }: Pick<Victim, 'id' | 'other'>, client: AnyClient): Victim {
  return { store: scene.store({ client }), options: { ...scene.options, client }, id, other }
}

async function save(store: UserSessionStore, id: string, changes: Fields): Promise<void> {
  await store.set(id, Object.assign(await load(store, id), changes))
}

async function touch(store: UserSessionStore, id: string, maxAge: number): Promise<void> {
  await store.touch(id, Object.assign(await load(store, id), { cookie: cookie(maxAge) }))
}

/** Entries that are wrong in every way: of no session, of another user's, too long and too short. */
async function disturb(scene: Scene, id: string): Promise<void> {
  const carols = await scene.signIn('carol', {}, 'carols')
  const [score, wrong] = [await scene.expiry(carols), Date.now() + 2 * HOUR]
  await scene.client.zAdd(scene.indexKey('alice'), [
    { value: 'of none', score: wrong },
    { value: carols, score },
    { value: id, score: wrong },
  ])
  await scene.client.pExpireAt(scene.indexKey('alice'), wrong)
}

type Live = { id: string; owner?: string; expires: number }

async function liveSessions(scene: Scene): Promise<Live[]> {
  const { prefix } = scene.prefixes
  const keys = (await scene.keys()).filter((key) => key.startsWith(prefix))
  return Promise.all(
    keys.map(async (key) => {
      const id = key.slice(prefix.length)
      const [{ userId }, expires] = await Promise.all([scene.record(id), scene.expiry(id)])
      return { id, owner: userId as string | undefined, expires }
    }),
  )
}

/** Indexed, and bounded: read from Redis itself. */
async function expectGuarantees(scene: Scene): Promise<void> {
  for (const { id, owner, expires } of await liveSessions(scene)) {
    expect(expires, `the expiry of ${id}`).to.be.greaterThan(Date.now())
    if (!owner) continue
    expect((await scene.index(owner))[id], `the entry of ${id} in the index of ${owner}`).to.be.at.least(
      expires,
    )
  }
  for (const user of everybody) {
    const scores = Object.values(await scene.index(user))
    const longest = scores.length === 0 ? NO_KEY : Math.floor(Math.max(...scores))
    const ends = await scene.client.pExpireTime(scene.indexKey(user))
    expect(ends, `the expiry of the index of ${user}`).to.equal(longest)
  }
}

/** The indexes list exactly the live sessions of their users, under their true expiry or no sooner than that. */
async function expectListed(scene: Scene, scores: 'exactly' | 'at least'): Promise<void> {
  const live = await liveSessions(scene)
  for (const user of users) {
    const [his, index] = [live.filter(({ owner }) => owner === user), await scene.index(user)]
    expect(Object.keys(index), `the index of ${user}`).to.have.members(his.map(({ id }) => id))
    for (const { id, expires } of his) {
      if (scores === 'exactly') expect(index[id], `the entry of ${id}`).to.equal(expires)
      else expect(index[id], `the entry of ${id}`).to.be.at.least(expires)
    }
  }
}
