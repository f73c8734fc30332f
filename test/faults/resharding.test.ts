/**
 * Random programs and races on three masters that keep exchanging their slots. A few run in `npm test`. `npm run
 * test:faults` runs 50,000 operations and 10,000 races.
 */
import { expect } from 'chai'
import fc from 'fast-check'
import { deleteSession, deleteUserSessions, type UserSessionStore, updateSession } from '../../src/index.ts'
import { program, users, violationsOf } from '../model/program.ts'
import { World } from '../model/world.ts'
import { HOUR, inMs, MINUTE } from '../support/database.ts'
import { load, newId } from '../support/scene.ts'
import { cookie, type Fields, newSession } from '../support/sessions.ts'
import { moveSlot } from '../support/topologies/move-slot.ts'
import { type AnyClient, startTopology, type Topology } from '../support/topologies.ts'
import { pause } from './load.ts'
import { figures, full, inFull } from './size.ts'

const TIMEOUT = full ? '60m' : '10m'
const OPERATIONS = full ? 50_000 : 1000
const RACES = full ? 10_000 : 300
const LANES = 16
const CLIENTS = 3
/** MIGRATE sends the remaining lifetime of a key instead of its expiry. The time of the transfer is added to it. */
const DRIFT_MS = 1000

const { FC_SEED } = process.env
const seed = FC_SEED === undefined ? Date.now() % 2 ** 31 : Number(FC_SEED)

describe('on three masters', () => {
  let topology: Topology
  let clients: AnyClient[]

  before(async function () {
    this.timeout('5m')
    topology = (await startTopology('cluster')) as Topology
    clients = await Promise.all(Array.from({ length: CLIENTS }, () => topology.connect()))
  })

  after(async () => {
    for (const client of clients) client.destroy()
    await topology.stop()
  })

  const random = (resharding: boolean) =>
    async function (this: Mocha.Context) {
      this.timeout(TIMEOUT)
      const [worlds, done] = [new Set<World>(), { programs: 0, operations: 0, drifts: 0 }]
      const samples = fc.sample(program, { seed, numRuns: Math.ceil(OPERATIONS / 10) })[Symbol.iterator]()
      const lane = async (n: number) => {
        for (const steps of samples) {
          if (done.operations >= OPERATIONS) return
          const world = new World(topology, clients[n % CLIENTS] as AnyClient, users)
          worlds.add(world)
          done.programs += 1
          done.operations += steps.steps.length
          const found = await violationsOf(world, steps)
          worlds.delete(world)
          const wrong = found.filter((violation) => !(resharding && isDrift(violation)))
          done.drifts += found.length - wrong.length
          if (wrong.length > 0)
            throw new Error(`FC_SEED=${seed}: ${wrong.join('\n')}\n${JSON.stringify(steps)}`)
        }
      }
      const key = (n: number) => {
        const world = [...worlds][n % worlds.size]
        return (
          world && (n % 3 === 0 ? world.sessionKey('first-of-alice') : world.indexKey(users[n % 2] as string))
        )
      }
      const moves = await meanwhile(
        resharding,
        topology,
        key,
        Promise.all(Array.from({ length: LANES }, (_, n) => lane(n))),
      )
      expect(done.operations).to.be.at.least(OPERATIONS)
      if (resharding) expect(moves, 'slots moved').to.be.at.least(1)
      figures(`0 violations in ${done.operations} operations of ${done.programs} programs`, {
        'slots moved': moves,
        'TTLs that MIGRATE moved': done.drifts,
      })
    }

  inFull('random operations keep the guarantees', random(false))
  it('random operations keep the guarantees during a resharding', random(true))

  const races = (resharding: boolean) =>
    async function (this: Mocha.Context) {
      this.timeout(TIMEOUT)
      const world = new World(topology, clients[0] as AnyClient, [])
      const actors = clients.map((client) => ({
        store: world.store({ client }),
        options: { ...world.options, client },
      }))
      const pairs = Object.keys(changes).flatMap((change) =>
        Object.keys(revocations).map((end) => [change, end] as const),
      )
      const outcomes = { raced: 0, late: 0 }
      let users: string[] = []
      const lane = async () => {
        while (outcomes.raced < RACES) {
          const n = outcomes.raced++
          const user = `user ${n}`
          users = [...users.slice(-LANES), user]
          const [change, end] = pairs[n % pairs.length] as (typeof pairs)[number]
          const wrong = await race(world, actors, user, n, change, end)
          if (wrong !== undefined) throw new Error(`${change} against ${end}: ${wrong}`)
        }
      }
      const key = (n: number) => world.indexKey(users[n % users.length] ?? 'user')
      const moves = await meanwhile(
        resharding,
        topology,
        key,
        Promise.all(Array.from({ length: LANES }, lane)),
      )
      if (resharding) expect(moves, 'slots moved').to.be.at.least(1)
      figures(`0 violations in ${outcomes.raced} races`, { 'slots moved': moves })
      expect(await world.keys(), 'what is left').to.deep.equal([])
    }

  inFull('a revoked session stays gone, whatever races', races(false))
  it('a revoked session stays gone in every race during a resharding', races(true))
})

type Party = { store: UserSessionStore; options: World['options'] }
type Race = (party: Party, id: string, user: string) => Promise<unknown>

/** Calls of a request or another process on a session that it has seen. */
const changes: Record<string, Race> = {
  save: ({ store }, id) => change(store, id, { cart: 1 }),
  'save and raise': ({ store }, id) => change(store, id, { cookie: cookie(2 * HOUR) }),
  'save and lower': ({ store }, id) => change(store, id, { cookie: cookie(MINUTE) }),
  touch: async ({ store }, id) => {
    const session = await store.get(id)
    if (session) await store.touch(id, Object.assign(session, { cookie: cookie(2 * HOUR) }))
  },
  updateSession: ({ options }, id) =>
    updateSession({ ...options, sessionId: id, data: { cart: 1 } }).catch(unlessGone),
  'updateSession expires': ({ options }, id) =>
    updateSession({ ...options, sessionId: id, data: { expires: inMs(2 * HOUR) } }).catch(unlessGone),
  updateUser: ({ store }, _, user) => store.updateUser(user, { role: 'guest' } as never),
  listing: ({ store }, _, user) => store.userSessions(user),
}

const revocations: Record<string, Race> = {
  destroy: ({ store }, id) => store.destroy(id),
  destroyUser: ({ store }, _, user) => store.destroyUser(user),
  destroyUserSession: ({ store }, id, user) => store.destroyUserSession(user, id),
  deleteSession: ({ options }, id) => deleteSession({ ...options, sessionId: id }),
  deleteUserSessions: ({ options }, _, user) => deleteUserSessions({ ...options, userId: user }),
}

async function change(store: UserSessionStore, id: string, fields: Fields): Promise<void> {
  const session = await load(store, id).catch(() => null)
  if (session) await store.set(id, Object.assign(session, fields))
}

function unlessGone(error: Error): void {
  if (error.name !== 'SessionNotFoundError') throw error
}

/** Runs two changes and a revocation at once, and a late save afterwards. Resolves to the violations. */
async function race(world: World, parties: Party[], user: string, n: number, what: string, end: string) {
  const id = newId()
  const party = (which: number) => parties[(n + which) % parties.length] as Party
  await party(0).store.set(id, newSession({ userId: user }))
  const held = await load(party(2).store, id)
  const run = (races: Race | undefined, which: number) => races?.(party(which), id, user)
  const revoked = Promise.resolve(run(revocations[end], 1))
  await Promise.all([
    run(changes[what], 0),
    revoked,
    run(changes.listing, 2),
    change(party(2).store, id, { late: 1 }),
  ])
  await party(2).store.set(id, Object.assign(held, { late: 2 }))
  if (await world.session(id)) return 'revoked, and it lives'
  const listed = await party(0).store.userSessions(user)
  if (listed.length > 0) return 'revoked, and it is listed'
  if ((await world.client.exists(world.indexKey(user))) > 0) return 'an index is left'
}

/** Waits for the work, and moves slot after slot to the next master meanwhile; resolves to how many. */
async function meanwhile(
  resharding: boolean,
  topology: Topology,
  key: (n: number) => string | undefined,
  work: Promise<unknown>,
): Promise<number> {
  let [moves, working] = [0, resharding]
  const done = work.finally(() => {
    working = false
  })
  const masters = await topology.masters()
  const move = async () => {
    for (let n = 0; working; n++) {
      const moved = key(n)
      const from = moved && (await topology.masterOf(moved))
      const to = masters[(masters.indexOf(from as (typeof masters)[number]) + 1) % masters.length]
      if (moved && from && to) await moveSlot(topology, moved, to, { meanwhile: () => pause(10) })
      moves = n + 1
    }
  }
  await Promise.all([done, move()])
  return moves
}

/** A violation that is a difference of two times, no longer than a key was under way. */
function isDrift(violation: string): boolean {
  const [one, two] = [...violation.matchAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g)].map(([time]) => Date.parse(time))
  return one !== undefined && two !== undefined && Math.abs(one - two) < DRIFT_MS
}
