/**
 * A process that dies in the middle of an operation, after each single command, on one server and on Cluster. Or it
 * lives on without the answer to that command. The guarantees must hold for what it leaves, as Redis itself shows it.
 *
 * Normal use repairs the rest, with one exception on Cluster. An entry that a dead process had reserved for a sign-in
 * counts for the limit until its own end.
 */
import { expect } from 'chai'
import {
  createSession,
  deleteSession,
  deleteUserSessions,
  UserSessionStore,
  updateSession,
  updateUserSessions,
} from '../../src/index.ts'
import { freshScore, isReserved } from '../../src/redis/entry-marks.ts'
import { type Found, foundOf } from '../model/world.ts'
import { HOUR, inMs, MINUTE, rejection } from '../support/database.ts'
import { freshPrefixes } from '../support/hooks.ts'
import { ClientDied, dieAfter, failAfter, watch } from '../support/paused-client.ts'
import { load, onEveryStage, Scene } from '../support/scene.ts'
import * as scripts from '../support/scripts.ts'
import { cookie, type Fields, newSession, usedCookie } from '../support/sessions.ts'
import type { AnyClient } from '../support/topologies.ts'

const TIMEOUT = '5m'
const NO_KEY = -2
const allScripts = Object.values(scripts).filter((each) => typeof each === 'object')

/** The process that dies. It works on the session `id` of alice, who has another session, `other`. */
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
  /** A call that must be repeated before the guarantees hold: they did not hold at its start. */
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
  'a create over a session of the same user': {
    work: ({ store, id }) => store.set(id, newSession({ userId: 'alice' }, cookie(MINUTE))),
  },
  'a longer create over a session of the same user': {
    work: ({ store, id }) => store.set(id, newSession({ userId: 'alice' }, cookie(2 * HOUR))),
  },
  'createSession over a session of the same user': {
    work: ({ options, id }) =>
      createSession({ ...options, sessionId: id, data: { userId: 'alice', expires: inMs(2 * HOUR) } }),
  },
  'a create over a session of another user': {
    work: ({ store, id }) => store.set(id, newSession({ userId: 'carol' }, cookie(MINUTE))),
  },
  'a save': { work: ({ store, id }) => save(store, id, { cart: 1 }) },
  'a save that ends it later': {
    work: ({ store, id }) => save(store, id, { cart: 1, cookie: cookie(2 * HOUR) }),
  },
  'a save that ends it sooner': {
    work: ({ store, id }) => save(store, id, { cart: 1, cookie: cookie(MINUTE) }),
  },
  'a sign-in': {
    before: (scene, { id }) => scene.store().set(id, newSession()),
    work: ({ store, id }) => save(store, id, { userId: 'alice' }),
  },
  'a sign-in that signs out another session': {
    before: (scene, { id }) => scene.store().set(id, newSession()),
    work: ({ options, id }) =>
      save(new UserSessionStore({ ...options, maxUserSessions: 1 }), id, { userId: 'alice' }),
  },
  'a sign-in of a limited number': {
    creates: true,
    work: ({ options, id }) =>
      new UserSessionStore({ ...options, maxUserSessions: { limit: 2, onLimit: 'reject' } }).set(
        id,
        newSession({ userId: 'alice' }),
      ),
  },
  'a user switch': { work: ({ store, id }) => save(store, id, { userId: 'carol' }) },
  'a user switch that ends it later': {
    work: ({ store, id }) => save(store, id, { userId: 'carol', cookie: cookie(2 * HOUR) }),
  },
  'a sign-out by save': { work: ({ store, id }) => save(store, id, { userId: undefined }) },
  'a touch': {
    work: async ({ store, id }) => {
      const session = await load(store, id)
      session.touch()
      await store.touch(id, session)
    },
  },
  'a touch of a session that was not used for long': {
    before: (scene, { id }) => scene.store().set(id, newSession({ userId: 'alice' }, usedCookie(HOUR / 2))),
    work: async ({ store, id }) => {
      const session = await load(store, id)
      session.touch()
      await store.touch(id, session)
    },
  },
  'a touch that ends it later': { work: ({ store, id }) => touch(store, id, 2 * HOUR) },
  'a touch that ends it sooner': { work: ({ store, id }) => touch(store, id, MINUTE) },
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
  'a listing of a session whose maker has died': {
    before: async (scene, { id }) => {
      const index = scene.indexKey('alice')
      const score = await scene.client.zScore(index, id)
      if (scene.topology.name !== 'cluster') return
      // As it was reserved.
      await scene.client.zAdd(index, { value: id, score: Number(freshScore(Number(score))) })
      await scene.client.pExpireAt(index, Number(score) + 1, 'GT')
    },
    work: ({ store }) => store.userSessions('alice'),
  },
  reindex: {
    before: (scene) => scene.client.del(scene.indexKey('alice')),
    work: ({ store }) => store.reindex(),
    again: (scene) => scene.store().reindex(),
  },
  clear: { onAll: true, work: ({ store }) => store.clear() },
}

/** The users of the operations. */
const users = ['alice', 'carol']
const everybody = [...users, 'bob']

/** Ordinary use after the crash, by another process, of the users that were concerned. */
const repairs: Record<string, (scene: Scene) => Promise<void>> = {
  /**
   * On Cluster an entry may stay too long until a save moves the session's end. A step may lower it only if no other
   * step raises it.
   */
  'a listing': async (scene) => {
    for (const user of users) await scene.store().userSessions(user)
    await expectListed(scene, scene.topology.name === 'cluster' ? 'at least' : 'exactly')
  },
  'the next save that moves the end of each session': async (scene) => {
    for (const { id, user } of await liveSessions(scene)) {
      if (user !== 'bob') await scene.request(id, { cookie: cookie(3 * HOUR) })
    }
    for (const user of users) await scene.store().userSessions(user)
    await expectListed(scene, 'exactly')
  },
  'a sign-out everywhere': async (scene) => {
    for (const user of users) await scene.store().destroyUser(user)
    for (const user of users) expect(await settledIndex(scene, user)).to.deep.equal({})
    for (const { user } of await liveSessions(scene)) expect(user).not.to.be.oneOf(users)
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
        it(`in ${name} leaves the guarantees intact, and normal use repairs the rest`, async function () {
          this.timeout(TIMEOUT)
          const commands = await countCommands(sceneOn(stage), operation)
          expect(commands, 'commands of the operation').to.be.greaterThan(0)
          const ns = Array.from({ length: commands }, (_, n) => n + 1)
          for (const [turn, repair] of Object.values(repairs).entries()) {
            await Promise.all(ns.map((n) => crash(sceneOn(stage), operation, repair, n)))
            const lost = ns.filter((n) => n % Object.keys(repairs).length === turn)
            await Promise.all(lost.map((n) => loseAnswer(sceneOn(stage), operation, repair, n)))
          }
        })
      }
    },
    ['server', 'cluster'],
  )
})

/** A separate scene for each crash, so that many crashes can run at once. */
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

/** The process dies after its n-th command: Redis has run it, and no process gets the answer. */
async function crash(
  scene: Scene,
  operation: Operation,
  repair: (scene: Scene) => Promise<void>,
  n: number,
): Promise<void> {
  await fail(scene, operation, repair, async (victim) => {
    const mortal = dieAfter(scene.client, n)
    const end = await rejection(operation.work(victimWith(scene, victim, mortal.client)))
    expect(mortal.dead, `a command ${n}`).to.equal(true)
    expect(end, 'what its caller was told').to.be.instanceOf(ClientDied)
  })
}

/** Redis has run the n-th command, and its process lives on. It may find out the result without the answer. */
async function loseAnswer(
  scene: Scene,
  operation: Operation,
  repair: (scene: Scene) => Promise<void>,
  n: number,
): Promise<void> {
  const lost = new Error('The answer was lost')
  await fail(scene, operation, repair, async (victim) => {
    const { client } = failAfter(scene.client, n, lost)
    const end = await operation.work(victimWith(scene, victim, client)).catch((error) => error)
    if (end instanceof Error) expect(end, 'what its caller was told').to.equal(lost)
  })
}

async function fail(
  scene: Scene,
  operation: Operation,
  repair: (scene: Scene) => Promise<void>,
  work: (victim: Victim) => Promise<void>,
): Promise<void> {
  const victim = await setUp(scene, operation)
  const bobs = await scene.signIn('bob')
  const lookAtBob = () => Promise.all([scene.record(bobs), scene.expiry(bobs), scene.index('bob')])
  const bystander = await lookAtBob()
  await work(victim)
  await operation.again?.(scene)
  await expectGuarantees(scene)
  await repair(scene)
  await expectGuarantees(scene)
  if (!operation.onAll) expect(await lookAtBob(), 'what is of bob').to.deep.equal(bystander)
  await scene.store().clear()
  for (const user of everybody) await scene.store().userSessions(user)
  for (const user of everybody) expect(await settledIndex(scene, user)).to.deep.equal({})
  const indexes = everybody.map((user) => scene.indexKey(user))
  expect(await scene.keys(), 'keys after all is cleared').to.deep.equal(
    scene.topology.name === 'server' ? [] : (await scene.keys()).filter((key) => indexes.includes(key)),
  )
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

type Live = Found & { id: string }

async function liveSessions(scene: Scene): Promise<Live[]> {
  const { prefix } = scene.prefixes
  const keys = (await scene.keys()).filter((key) => key.startsWith(prefix))
  return Promise.all(
    keys.map(async (key) => {
      const id = key.slice(prefix.length)
      const [record, expires] = await Promise.all([scene.record(id), scene.expiry(id)])
      return { id, ...foundOf(record, expires) }
    }),
  )
}

/** Resolves to the entries of an index that are not reserved. */
async function settledIndex(scene: Scene, user: string): Promise<Record<string, number>> {
  const entries = Object.entries(await scene.index(user))
  return Object.fromEntries(entries.filter(([, score]) => !isReserved(score)))
}

/** Indexed, and bounded: read from Redis itself. */
async function expectGuarantees(scene: Scene): Promise<void> {
  for (const { id, user, expires, until } of await liveSessions(scene)) {
    expect(expires, `the expiry of ${id}`).to.be.greaterThan(Date.now())
    if (!user) continue
    const score = (await scene.index(user))[id]
    expect(score, `the entry of ${id} in the index of ${user}`).to.be.at.least(until as number)
    expect(until, `until when the index lists ${id}`).to.be.at.least(expires)
  }
  for (const user of everybody) {
    const scores = Object.values(await scene.index(user))
    const longest = scores.length === 0 ? NO_KEY : Math.ceil(Math.max(...scores))
    const ends = await scene.client.pExpireTime(scene.indexKey(user))
    expect(ends, `the expiry of the index of ${user}`).to.equal(longest)
  }
}

/** The indexes list exactly the live sessions of their users, until the time in the record or at least that long. */
async function expectListed(scene: Scene, scores: 'exactly' | 'at least'): Promise<void> {
  const live = await liveSessions(scene)
  for (const name of users) {
    const [owned, all] = [live.filter(({ user }) => user === name), await scene.index(name)]
    const ids = owned.map(({ id }) => id)
    expect(Object.keys(all), `the index of ${name}`).to.include.members(ids)
    const settled = Object.keys(await settledIndex(scene, name))
    expect(ids, `the sessions of ${name}`).to.include.members(settled)
    for (const { id, until } of owned) {
      const score = all[id] as number
      const isExact = scores === 'exactly' && !isReserved(score)
      if (isExact) expect(Math.floor(score), `the entry of ${id}`).to.equal(until)
      else expect(score, `the entry of ${id}`).to.be.at.least(until as number)
    }
  }
}
