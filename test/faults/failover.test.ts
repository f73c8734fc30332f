/**
 * A master dies. Users who were signed in stay signed in. Sessions that were signed out stay gone. `npm run
 * test:faults` repeats it.
 */
import { EventEmitter, once } from 'node:events'
import { expect } from 'chai'
import { UserSessionStore } from '../../src/index.ts'
import { rejection } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { freshPrefixes, type Prefixes } from '../support/hooks.ts'
import { pauseAfter, runs } from '../support/paused-client.ts'
import { newId } from '../support/scene.ts'
import { removeScript } from '../support/scripts.ts'
import { newSession } from '../support/sessions.ts'
import type { Node } from '../support/topologies/node.ts'
import { untilReplicated } from '../support/topologies/replication.ts'
import { type AnyClient, startTopology, type Topology, type TopologyName } from '../support/topologies.ts'
import { figures, full, inFull } from './size.ts'

const TIMEOUT = '5m'
const SESSIONS = 20
const REPETITIONS = full ? 10 : 2
/** Milliseconds; a replica that lives answers at once. */
const ONE_REPLICA = { count: 1, timeout: 10_000 }
const NOT_LONG = { count: 1, timeout: 50 }

describe('when a master dies', () => {
  const names: TopologyName[] = full ? ['sentinel', 'cluster'] : ['sentinel']
  for (const name of names) {
    describe(`on ${name}`, () => {
      let topology: Topology
      let client: AnyClient
      let prefixes: Prefixes

      const begin = async (replicas: number) => {
        topology = (await startTopology(name, { replicas, failover: true })) as Topology
        client = await topology.connect({ disableOfflineQueue: true, commandTimeout: 1000 })
        prefixes = freshPrefixes()
      }

      afterEach(async () => {
        client.destroy()
        await topology.stop()
      })

      const waiting = (waitForReplicas = ONE_REPLICA, through: object = client) =>
        new UserSessionStore({ client: through as AnyClient, ...prefixes, waitForReplicas })

      const signIn = (userId: string, ids: string[]) =>
        Promise.all(ids.map((id) => waiting().set(id, newSession({ userId }))))

      const living = async (ids: string[]) => {
        const found = await Promise.all(ids.map(async (id) => (await waiting().get(id)) && id))
        return found.filter((id) => id !== null)
      }

      for (let repetition = 1; repetition <= REPETITIONS; repetition++) {
        it(`${SESSIONS} of ${SESSIONS} stay signed in, 0 of ${SESSIONS} signed out come back (${repetition})`, async function () {
          this.timeout(TIMEOUT)
          await begin(1)
          const [revoked, staying] = [ids(SESSIONS), ids(SESSIONS)]
          await signIn('alice', revoked)
          await signIn('bob', staying)
          expect(await waiting().destroyUser('alice')).to.equal(SESSIONS)
          const master = await topology.masterOf(prefixes.prefix + revoked[0])
          const died = performance.now()
          await master.server.kill()
          const stayed = await untilAnswered(() => living(staying))
          const took = performance.now() - died
          const back = await untilAnswered(() => living(revoked))
          expect(stayed).to.have.members(staying)
          expect(back).to.deep.equal([])
          expect(await untilAnswered(() => waiting().userSessions('alice'))).to.deep.equal([])
          expect(await untilAnswered(() => waiting().userSessions('bob'))).to.have.length(SESSIONS)
          figures(
            `failover on ${name}: ${stayed.length} of ${SESSIONS} signed in, ${back.length} of ${SESSIONS} back`,
            { 'answers again after ms': took },
          )
        })
      }

      inFull('a revocation that no replica has is lost, which the caller was told', async function () {
        this.timeout(TIMEOUT)
        await begin(1)
        const [id] = ids(1) as [string]
        await signIn('alice', [id])
        const master = await topology.masterOf(prefixes.prefix + id)
        await untilReplicated(topology, master)
        const cutOff = await cutReplicasOff(topology)
        expect(await rejection(waiting(NOT_LONG).destroy(id))).to.include({ code: 'SESSION_NOT_REPLICATED' })
        expect(await living([id])).to.deep.equal([])
        await master.server.kill()
        for (const { server } of cutOff) await server.resume()
        const back = await untilAnswered(() => living([id]))
        figures(`failover on ${name} without a replica that had it`, { 'signed out': 1, back: back.length })
        expect(back).to.deep.equal([id])
      })

      it('between a revocation and the answer of the replicas, it is revoked on the new master too', async function () {
        this.timeout(TIMEOUT)
        await begin(2)
        const [id] = ids(1) as [string]
        await signIn('alice', [id])
        const master = await topology.masterOf(prefixes.prefix + id)
        await untilReplicated(topology, master, 2)
        await master.admin.scriptLoad(removeScript.source)
        const cutOff = await cutReplicasOff(topology)
        const held = name === 'cluster' ? pauseAfter(client, runs(removeScript)) : holdWait(client)
        const revoking = waiting(ONE_REPLICA, held.client).destroy(id)
        await held.reached
        expect(await living([id])).to.deep.equal([])
        await master.server.kill()
        for (const { server } of cutOff) await server.resume()
        expect(await untilAnswered(() => living([id])), 'what the new master has').to.deep.equal([id])
        await giveReplicas(topology, master)
        held.release()
        await revoking
        const back = await living([id])
        figures(`failover on ${name} before the replicas answered`, { 'signed out': 1, back: back.length })
        expect(back).to.deep.equal([])
      })
    })
  }
})

function ids(count: number): string[] {
  return Array.from({ length: count }, newId)
}

/** Asks again while the client looks for the new master. */
async function untilAnswered<T>(ask: () => Promise<T>): Promise<T> {
  const { answer } = await eventually('an answer', async () => ({ answer: await ask() }))
  return answer
}

async function replicasOf(topology: Topology): Promise<Node[]> {
  const masters = await topology.masters()
  return topology.nodes.filter((node) => !masters.includes(node))
}

/** Stops the replicas and ends their connections. So not even the kernel keeps the next writes for them. */
async function cutReplicasOff(topology: Topology): Promise<Node[]> {
  const replicas = await replicasOf(topology)
  for (const { server } of replicas) await server.pause()
  for (const { admin } of await topology.masters())
    await admin.sendCommand(['CLIENT', 'KILL', 'TYPE', 'replica'])
  return replicas
}

/** Makes the other replica of a dead master follow the new one. Sentinel would need some time for that. */
async function giveReplicas(topology: Topology, dead: Node): Promise<void> {
  const masters = await topology.masters()
  if (topology.name === 'sentinel') {
    const others = topology.nodes.filter((node) => node !== dead && !masters.includes(node))
    for (const { admin } of others) await admin.replicaOf('127.0.0.1', masters[0]?.server.port as number)
  }
  for (const master of masters) await untilReplicated(topology, master)
}

/** A Sentinel client that stops before it asks the replicas. */
function holdWait<Client extends object>(client: Client) {
  const [reached, released] = [new EventEmitter(), new EventEmitter()]
  let asked = 0
  const hold = <Target extends object>(target: Target): Target =>
    new Proxy(target, {
      get(_, property) {
        const method: unknown = Reflect.get(target, property, target)
        if (typeof method !== 'function') return method
        const call = (...args: unknown[]): unknown => Reflect.apply(method, target, args)
        if (property === 'use')
          return (work: (lent: object) => unknown) => call((lent: object) => work(hold(lent)))
        if (property !== 'wait') return call
        return async (...args: unknown[]) => {
          if (++asked === 1) {
            reached.emit('now')
            await once(released, 'now')
          }
          return call(...args)
        }
      },
    })
  return { client: hold(client), reached: once(reached, 'now'), release: () => released.emit('now') }
}
