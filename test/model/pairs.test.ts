/**
 * Two operations on one session, in every order that one preemption allows. The first operation stops before each of
 * its commands in turn. The second runs from start to end, and then the first continues. After each pair, the test
 * reads Redis itself.
 */
import { inspect, isDeepStrictEqual } from 'node:util'
import { expect } from 'chai'
import {
  createSession,
  deleteSession,
  deleteUserSessions,
  getUserSessions,
  SessionNotFoundError,
  SessionUserError,
  UserSessionStore,
  updateSession,
  updateUserSessions,
} from '../../src/index.ts'
import { HOUR, inMs, MINUTE } from '../support/database.ts'
import { pauseBefore } from '../support/paused-client.ts'
import { type LoadedSession, load } from '../support/scene.ts'
import { type Fields, newSession } from '../support/sessions.ts'
import { type AnyClient, onEveryTopology, type Topology } from '../support/topologies.ts'
import { type Found, userOf, World } from './world.ts'

type Actor = { store: UserSessionStore; options: World['options']; session: LoadedSession; as: Naming }
/** How a session names its owner. */
type Naming = (user: string | undefined) => Fields
type Operation = {
  run(actor: Actor): Promise<unknown>
  /** After it has resolved, the session is gone: always, or only if alice still owned it. */
  revokes?: 'it' | 'hers'
  /** It may create the session again. */
  makes?: true
  /** It moves the session to another user, or makes it anonymous. */
  moves?: true
  /** The data that the record must have afterwards. */
  leaves?: Fields
}

const id = 'the-session'
const ids = [id, 'of-bob']

/** By the store. */
const inRequests: Record<string, Operation> = {
  save: {
    run: ({ store, session }) => store.set(id, Object.assign(session, { saved: 1 })),
    leaves: { saved: 1 },
  },
  'save twice': {
    run: async ({ store, session }) => {
      await store.set(id, Object.assign(session, { saved: 1 }))
      await store.set(id, Object.assign(session, { saved: 2 }))
    },
    leaves: { saved: 2 },
  },
  touch: { run: ({ store, session }) => store.touch(id, aged(session, HOUR + MINUTE)) },
  'touch to an earlier end': { run: ({ store, session }) => store.touch(id, aged(session, MINUTE)) },
  'touch without loading': { run: ({ store }) => store.touch(id, newSession()) },
  'reload and save': {
    async run({ store }) {
      const reloaded = await store.get(id)
      if (reloaded) await store.set(id, Object.assign(reloaded, { reloaded: 1 }))
    },
  },
  'create as alice': { run: ({ store, as }) => store.set(id, newSession(as('alice'))), makes: true },
  'create as bob': { run: ({ store, as }) => store.set(id, newSession(as('bob'))), makes: true, moves: true },
  updateUser: {
    run: ({ store }) => store.updateUser('alice', { role: 'guest' } as never),
    leaves: { role: 'guest' },
  },
  destroy: { run: ({ store }) => store.destroy(id), revokes: 'it' },
  clear: { run: ({ store }) => store.clear(), revokes: 'it' },
  destroyUser: { run: ({ store }) => store.destroyUser('alice'), revokes: 'hers' },
  destroyUserSession: { run: ({ store }) => store.destroyUserSession('alice', id), revokes: 'hers' },
  'destroyUser bob': { run: ({ store }) => store.destroyUser('bob') },
  userSessions: { run: ({ store }) => store.userSessions('alice') },
  all: { run: ({ store }) => store.all() },
  reindex: { run: ({ store }) => store.reindex() },
}

/** By the store, from user to user. */
const moves: Record<string, Operation> = {
  'sign in as bob': {
    run: ({ store, session, as }) => store.set(id, Object.assign(session, as('bob'))),
    moves: true,
  },
  'sign out in the session': {
    run: ({ store, session, as }) => store.set(id, Object.assign(session, as(undefined))),
    moves: true,
  },
}

const functions: Record<string, Operation> = {
  createSession: {
    run: ({ options }) =>
      createSession({ ...options, sessionId: id, data: { userId: 'alice', expires: inMs(2 * HOUR) } }),
    makes: true,
  },
  updateSession: {
    run: ({ options }) => updateSession({ ...options, sessionId: id, data: { updated: 1 } }),
    leaves: { updated: 1 },
  },
  'updateSession expires': {
    run: ({ options }) => updateSession({ ...options, sessionId: id, data: { expires: inMs(3 * HOUR) } }),
  },
  updateUserSessions: {
    run: ({ options }) =>
      updateUserSessions({ ...options, userId: 'alice', data: { expires: inMs(MINUTE) } }),
  },
  deleteSession: { run: ({ options }) => deleteSession({ ...options, sessionId: id }), revokes: 'it' },
  deleteUserSessions: {
    run: ({ options }) => deleteUserSessions({ ...options, userId: 'alice' }),
    revokes: 'hers',
  },
  getUserSessions: { run: ({ options }) => getUserSessions({ ...options, userId: 'alice' }) },
  'getUserSessions of bob': { run: ({ options }) => getUserSessions({ ...options, userId: 'bob' }) },
}

const named: Naming = (userId) => ({ userId })
const passport: Naming = (user) => ({ passport: { user } })

function aged(session: LoadedSession, maxAge: number): LoadedSession {
  session.cookie.maxAge = maxAge
  return session
}

/** The command by which the longest operation must have ended. */
const MANY_COMMANDS = 60
/**
 * On Cluster, operations have three times as many commands. Without extra time, only a third of the orders run there.
 */
const THOROUGH = Number(process.env.MODEL_SECONDS ?? 10) >= 60

describe('two operations on one session keep the guarantees in any order', function () {
  this.timeout('10m')
  onEveryTopology(
    (topology) => {
      const all = { ...inRequests, ...moves, ...functions }
      const tests: [title: string, as: Naming, firsts: Operations, seconds: Operations][] = [
        ['', named, all, all],
        [' of a Passport session', passport, moves, functions],
        [' of a Passport session', passport, functions, moves],
      ]
      for (const [title, as, firsts, seconds] of tests) {
        for (const [name, first] of Object.entries(firsts)) {
          it(`each of them during ${name}${title}`, async () => {
            const client = await topology().connect()
            const wrong = await Promise.all(
              Object.entries(seconds).map(async ([second, operation], n) => {
                const step = THOROUGH || topology().name !== 'cluster' ? 1 : 3
                const commands = { from: 1 + (n % step), step }
                const found = await everyOrder(topology(), client, as, commands, first, operation)
                return found.map((each) => `${name} / ${second} ${each}`)
              }),
            ).finally(() => client.close())
            expect(wrong.flat()).to.deep.equal([])
          })
        }
      }
    },
    ['server', 'cluster'],
  )
})

type Operations = Record<string, Operation>

async function everyOrder(
  topology: Topology,
  client: AnyClient,
  as: Naming,
  { from, step }: { from: number; step: number },
  ...pair: [Operation, Operation]
) {
  for (let command = from; command < MANY_COMMANDS; command += step) {
    const world = new World(topology, client, ['alice', 'bob'])
    const { wrong, ended } = await inOrder(world, as, ...pair, command)
    await world.wipe(ids)
    if (wrong.length > 0) return wrong.map((each) => `at command ${command}: ${each}`)
    if (ended) return []
  }
  return [`more than ${MANY_COMMANDS} commands`]
}

/** `ended`: the first operation did not get as far as this command. */
async function inOrder(world: World, as: Naming, first: Operation, second: Operation, command: number) {
  const other = world.store()
  await other.set(id, newSession({ ...as('alice'), role: 'admin' }))
  await other.set('of-bob', newSession(as('bob')))
  let commands = Number.NEGATIVE_INFINITY
  const { client, reached, release } = pauseBefore(world.client, () => ++commands === command)
  const options = { ...world.options, client }
  const store = new UserSessionStore(options)
  const stopped = { store, options, as, session: await load(store, id) }
  const now = { store: other, options: world.options, as, session: await load(other, id) }
  commands = 0
  const running = settle(first.run(stopped))
  const ended = await Promise.race([reached.then(() => false), running.then(() => true)])
  const failed = await settle(second.run(now))
  release()
  const wrong = [failed, await running].flatMap((error) => error ?? [])
  wrong.push(...(await world.violations(ids, { strict: world.topology.name !== 'cluster' })))
  wrong.push(...wrongOutcome(await world.session(id), first, second))
  await Promise.all(world.users.map((user) => other.userSessions(user)))
  wrong.push(...(await world.violations(ids, { strict: true })))
  return { wrong: [...new Set(wrong)], ended }
}

function wrongOutcome(found: Found | null, ...pair: [Operation, Operation]): string[] {
  const [makes, moves] = [pair.some((each) => each.makes), pair.some((each) => each.moves)]
  const revokes = pair.map((each) => each.revokes)
  if (makes) return []
  if (revokes.includes('it') || (revokes.includes('hers') && !moves))
    return found ? ['revoked, and it lives'] : []
  if (moves) return []
  if (!found) return ['nobody revoked it, and it is gone']
  if (userOf(found.data) !== 'alice') return [`it is of ${userOf(found.data)}`]
  const [one, two] = pair.map(({ leaves }) => leaves ?? {}) as [Fields, Fields]
  const expected = { role: 'admin', ...one, ...two }
  return Object.entries(expected).flatMap(([name, value]) =>
    isDeepStrictEqual(found.data[name], value) ||
    (name in one && name in two && found.data[name] === one[name])
      ? []
      : [`lost: ${name} is ${inspect(found.data[name])}, not ${inspect(value)}`],
  )
}

/** Resolves to the problem of an outcome, if any. A missing session, or one of another user, is no problem. */
async function settle(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work
  } catch (error) {
    if (error instanceof SessionNotFoundError || error instanceof SessionUserError) return
    return String(error)
  }
}
