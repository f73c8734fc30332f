/**
 * A save replaces one key with `SET … IFEQ` if the server supports it, and else by a script. Each client finds out by
 * itself, also after a failover to a server of another version.
 */
import { once } from 'node:events'
import { connect as connectTo, createServer, type Socket } from 'node:net'
import { expect } from 'chai'
import { createClient } from 'redis'
import { UserSessionStore } from '../../src/index.ts'
import { tracked } from '../support/clients.ts'
import { atClock } from '../support/clock.ts'
import { MINUTE, SECOND } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { freshPrefixes, redisUrl } from '../support/hooks.ts'
import { serverKnowsIfeq } from '../support/ifeq.ts'
import { type Call, runs, watch } from '../support/paused-client.ts'
import { load, newId, onEveryStage, replacesIfEqual } from '../support/scene.ts'
import { replaceScript } from '../support/scripts.ts'
import { fields, newSession } from '../support/sessions.ts'
import type { Topology } from '../support/topologies.ts'

const SAVES = 5

const usesScript = (call: Call) => call.command === 'evalSha' && runs(replaceScript)(call)

describe('A save that leaves the index as it is', () => {
  onEveryStage((scene) => {
    it('is one SET … IFEQ if the servers support it, else one script', async () => {
      const [store, id] = [scene.store(), await scene.signIn('alice')]
      const session = await load(store, id)
      await resetStatistics(scene.topology)
      for (let step = 0; step < SAVES; step++) await store.set(id, Object.assign(session, { step }))
      const { set, failedSet, evalsha } = await statistics(scene.topology)
      if (serverKnowsIfeq()) {
        expect({ set, failedSet, evalsha }).to.deep.equal({ set: SAVES, failedSet: 0, evalsha: 0 })
      } else {
        // One that asked if the server knows it, and those of the script.
        expect(failedSet).to.equal(1)
        expect({ set, evalsha }).to.deep.equal({ set: SAVES + 1, evalsha: SAVES })
      }
      expect(await scene.record(id)).to.include({ step: SAVES - 1 })
    })

    it('is asked of a server that does not know it once a minute at most, by each client', async () => {
      const { client, calls } = watch(scene.client)
      const [store, id] = [scene.store({ client }), await scene.signIn('alice')]
      const saves = async (ahead: number) => {
        calls.length = 0
        for (let step = 0; step < SAVES; step++) {
          const session = await load(store, id)
          await atClock(ahead, () => store.set(id, Object.assign(session, { step })))
        }
        return calls.filter(replacesIfEqual).length
      }
      const once = serverKnowsIfeq() ? SAVES : 1
      const never = serverKnowsIfeq() ? SAVES : 0
      expect(await saves(0)).to.equal(once)
      expect(await saves(0)).to.equal(never)
      expect(await saves(MINUTE - 10 * SECOND)).to.equal(never)
      expect(await saves(MINUTE + SECOND)).to.equal(once)
      expect(await scene.record(id)).to.include({ step: SAVES - 1 })
      expect(calls.some(usesScript)).to.equal(!serverKnowsIfeq())
    })
  })
})

describe('A client whose server is replaced', () => {
  it('by an older one, and later by a newer one: no save is lost, and each save uses what the server supports', async () => {
    const failover = await startFailover(redisUrl())
    const direct = createClient({ url: failover.url, socket: { reconnectStrategy: 20 } })
    direct.on('error', () => {})
    tracked(await direct.connect())
    try {
      const { client, calls } = watch(direct)
      const [store, id] = [new UserSessionStore({ client, ...freshPrefixes() }), newId()]
      const session = newSession({ userId: 'alice' })
      await store.set(id, session)
      const save = async (step: number) => {
        calls.length = 0
        const loaded = fields(await store.get(id))
        await store.set(id, Object.assign(loaded, { step }))
        expect(fields(await store.get(id)).step).to.equal(step)
        return [calls.some(replacesIfEqual), calls.some(usesScript)]
      }
      const [script, both] = [
        [false, true],
        [true, true],
      ]
      // An old server of this run has no newer server to change to. It is asked once, and again after a minute.
      const whenAsked = serverKnowsIfeq() ? [true, false] : both
      expect(await save(1)).to.deep.equal(whenAsked)
      await failover.to('older', direct)
      expect(await save(2), 'in the same call').to.deep.equal(serverKnowsIfeq() ? both : script)
      expect(await save(3)).to.deep.equal(script)
      await failover.to('newer', direct)
      expect(await save(4), 'not asked again yet').to.deep.equal(script)
      await atClock(MINUTE + SECOND, async () => expect(await save(5)).to.deep.equal(whenAsked))
    } finally {
      direct.destroy()
      failover.stop()
    }
  })
})

interface Statistics {
  set: number
  failedSet: number
  evalsha: number
}

async function resetStatistics(topology: Topology): Promise<void> {
  for (const { admin } of await topology.masters()) await admin.sendCommand(['CONFIG', 'RESETSTAT'])
}

/** The command statistics of all masters together. */
async function statistics(topology: Topology): Promise<Statistics> {
  const sum: Statistics = { set: 0, failedSet: 0, evalsha: 0 }
  for (const { admin } of await topology.masters()) {
    const info = await admin.info('commandstats')
    const [set, failedSet] = statisticsOf(info, 'set')
    sum.set += set
    sum.failedSet += failedSet
    sum.evalsha += statisticsOf(info, 'evalsha')[0]
  }
  return sum
}

function statisticsOf(info: string, command: string): [calls: number, failed: number] {
  const line = info.split(/\r?\n/).find((each) => each.startsWith(`cmdstat_${command}:`)) ?? ''
  const number = (name: string) => Number(new RegExp(`\\b${name}=(\\d+)`).exec(line)?.[1] ?? 0)
  return [number('calls'), number('failed_calls') + number('rejected_calls')]
}

/**
 * An address that leads to one server and then to another. A failover closes all connections. The "older server" is the
 * same server. It gets `OLDQ` instead of `IFEQ`, and does not know it.
 */
async function startFailover(url: string) {
  const { hostname, port } = new URL(url)
  const sockets = new Set<Socket>()
  let isOlder = false
  const proxy = createServer((socket) => {
    const server = connectTo(Number(port), hostname)
    for (const [one, other] of [
      [socket, server],
      [server, socket],
    ] as const) {
      sockets.add(one)
      one.on('error', () => {})
      one.on('close', () => {
        sockets.delete(one)
        other.destroy()
      })
    }
    server.pipe(socket)
    socket.on('data', (data) => {
      const text = data.toString('latin1')
      server.write(isOlder ? text.replaceAll('IFEQ', 'OLDQ') : text, 'latin1')
    })
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const { port: own } = proxy.address() as { port: number }
  const drop = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    url: `redis://127.0.0.1:${own}`,
    async to(which: 'older' | 'newer', client: { ping(): Promise<unknown> }) {
      isOlder = which === 'older'
      drop()
      await eventually('the client to be connected again', () => client.ping().then(() => true))
    },
    stop() {
      drop()
      proxy.close()
    },
  }
}
