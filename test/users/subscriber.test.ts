/** Every process hears of revocations: at once, after a lost connection, only once, and without a session id. */
import { expect } from 'chai'
import { createClient, createCluster } from 'redis'
import type { DestroyedEvent, SubscriberClient, UserSessionStore } from '../../src/index.ts'
import { handleOf } from '../../src/session/handle.ts'
import { tracked } from '../support/clients.ts'
import { HOUR, rejection } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { heard, nextTurn, untilChecked } from '../support/heard.ts'
import { freshPrefixes } from '../support/hooks.ts'
import { failAfter, pauseAfter, runs, watch } from '../support/paused-client.ts'
import { newId, onEveryStage, Scene } from '../support/scene.ts'
import { removeScript } from '../support/scripts.ts'
import { cookie, newSession } from '../support/sessions.ts'
import type { Node } from '../support/topologies/node.ts'
import { untilReplicated } from '../support/topologies/replication.ts'
import { startTopology, type Topology } from '../support/topologies.ts'

type Closable = { readonly isOpen: boolean; destroy(): unknown }

const open = new Set<Closable>()

function closing<Client extends Closable>(client: Client): Client {
  open.add(client)
  return client
}

async function subscriberOf(topology: Topology): Promise<SubscriberClient> {
  return closing(await topology.connect()) as unknown as SubscriberClient
}

/** Two stores as two processes have them. */
async function processes(scene: Scene): Promise<[UserSessionStore, UserSessionStore]> {
  const subscribers = [await subscriberOf(scene.topology), await subscriberOf(scene.topology)]
  const [here, there] = subscribers.map((subscriber) => scene.store({ subscriber })) as [
    UserSessionStore,
    UserSessionStore,
  ]
  await Promise.all([untilChecked(here), untilChecked(there)])
  return [here, there]
}

const connectionError = /Socket|client|connect|ECONN|offline|closed|CLUSTERDOWN/i

const channelOf = (scene: Scene) => `${scene.prefixes.prefix}revoked`

/** Until so many connections listen to the channel of this scene; resolves to the nodes that they listen to. */
async function untilListening(scene: Scene, count: number): Promise<Topology['nodes']> {
  return eventually(`${count} subscribers`, async () => {
    const listenedTo: Topology['nodes'] = []
    for (const node of scene.topology.nodes) {
      if (node.server.dead) continue
      const reply = (await node.admin.sendCommand(['PUBSUB', 'NUMSUB', channelOf(scene)])) as [string, number]
      for (let n = 0; n < Number(reply[1]); n++) listenedTo.push(node)
    }
    return listenedTo.length === count && listenedTo
  })
}

async function cutSubscribers({ topology }: Scene): Promise<void> {
  for (const { admin } of topology.nodes) await admin.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub'])
}

/** Collects the failures that a store reports from now on. */
function failuresOf(store: UserSessionStore): string[] {
  const failures: string[] = []
  store.on('subscriberError', (error) => failures.push(String(error)))
  return failures
}

describe('Revocations in other processes', () => {
  afterEach(() => {
    for (const client of open) if (client.isOpen) client.destroy()
    open.clear()
  })

  onEveryStage(
    (scene) => {
      it('every process hears of every revocation, whichever way, once', async () => {
        const [here, there] = await processes(scene)
        const limited = scene.store({ maxUserSessions: 1, subscriber: await subscriberOf(scene.topology) })
        const revocations: Record<string, (id: string) => Promise<unknown>> = {
          destroy: (id) => here.destroy(id),
          destroyUser: () => here.destroyUser('alice'),
          destroyUserSession: (id) => here.destroyUserSession('alice', handleOf(id)),
          clear: () => here.clear(),
          limit: () => limited.set(newId(), newSession({ userId: 'alice' }, cookie(2 * HOUR))),
        }
        for (const [name, revoke] of Object.entries(revocations)) {
          const id = await scene.signIn('alice')
          const [mine, theirs] = [heard(), heard()]
          const emitted: DestroyedEvent[] = []
          there.on('destroyed', (event) => emitted.push(event))
          here.onRevoked(id, mine.listener)
          there.onRevoked(id, theirs.listener)
          await revoke(id)
          await Promise.all([theirs.once(), mine.once()])
          await nextTurn()
          const reason = { destroy: 'logout', limit: 'limit' }[name] ?? 'revoked'
          const event = { handle: handleOf(id), userId: 'alice', reason }
          for (const { events } of [mine, theirs]) {
            expect(events, name).to.have.lengthOf(1)
            // Right after the subscription began, a check may find that the session is gone before the message arrives.
            if (events[0]?.reason !== 'missed') expect(events, name).to.deep.equal([event])
          }
          expect(emitted, name).to.deep.equal(theirs.events)
          there.removeAllListeners('destroyed')
          await scene.store().destroyUser('alice')
        }
      })

      it('a revocation during a lost connection is announced after the reconnect', async () => {
        const [here, there] = await processes(scene)
        for (let round = 0; round < 3; round++) {
          const [gone, stays] = [await scene.signIn('alice'), await scene.signIn('bob')]
          const [lost, kept] = [heard(), heard()]
          there.onRevoked(gone, lost.listener)
          there.onRevoked(stays, kept.listener)
          // This store sends no message, as if the connection had been down.
          await scene.store().destroy(gone)
          await cutSubscribers(scene)
          await lost.once()
          expect(lost.events).to.deep.equal([{ handle: handleOf(gone), userId: null, reason: 'missed' }])
          await untilListening(scene, 2)
          await here.destroyUser('bob')
          await kept.once()
          expect(kept.events).to.have.lengthOf(1)
        }
      })

      it('a revocation without an answer is announced by its message, in the revoking process too', async () => {
        for (const { admin } of await scene.topology.masters()) await admin.scriptLoad(removeScript.source)
        const { client } = failAfter(scene.client, runs(removeScript), new Error('Socket timeout'))
        const store = scene.store({ client, subscriber: await subscriberOf(scene.topology) })
        await untilChecked(store)
        const id = await scene.signIn('alice')
        const { events, listener, once } = heard()
        store.onRevoked(id, listener)
        expect((await rejection(store.destroy(id))).message).to.equal('Socket timeout')
        await once()
        await store.destroy(id)
        await nextTurn()
        expect(events).to.deep.equal([{ handle: handleOf(id), userId: 'alice', reason: 'logout' }])
      })

      it('a message that arrives before the answer is announced, and the answer is not', async () => {
        for (const { admin } of await scene.topology.masters()) await admin.scriptLoad(removeScript.source)
        const { client, reached, release } = pauseAfter(scene.client, runs(removeScript))
        const store = scene.store({ client, subscriber: await subscriberOf(scene.topology) })
        await untilChecked(store)
        const id = await scene.signIn('alice')
        const [{ listener, once }, emitted] = [heard(), heard()]
        store.onRevoked(id, listener)
        store.on('destroyed', emitted.listener)
        const destroying = store.destroy(id)
        await reached
        await once()
        release()
        await destroying
        await nextTurn()
        expect(emitted.events).to.deep.equal([{ handle: handleOf(id), userId: 'alice', reason: 'logout' }])
      })

      it('messages carry the handle, and no session id', async () => {
        const [here] = await processes(scene)
        const messages: string[] = []
        const eavesdropper = await subscriberOf(scene.topology)
        await eavesdropper.subscribe(channelOf(scene), (message) => messages.push(message))
        const ids = [await scene.signIn('alice'), await scene.signIn('alice'), await scene.signIn(undefined)]
        await here.destroyUser('alice')
        await here.destroy(ids[2] as string)
        await eventually('three messages', () => messages.length === 3)
        for (const [n, message] of messages.entries()) {
          const { store, number, ...event } = JSON.parse(message)
          expect(store).to.be.a('string')
          expect(number).to.be.a('number')
          expect(Object.keys(event)).to.have.members(['handle', 'userId', 'reason'])
          expect(ids.map(handleOf), `${n}`).to.include(event.handle)
          for (const id of ids) expect(message).to.not.include(id)
        }
      })

      it('garbage on the channel is ignored, and later messages are heard', async () => {
        const [here, there] = await processes(scene)
        const failures = failuresOf(there)
        const id = await scene.signIn('alice')
        const { events, listener, once } = heard()
        there.onRevoked(id, listener)
        const garbage = [
          '',
          '{',
          'null',
          '7',
          '"x"',
          '[]',
          '{}',
          '{"handle":7}',
          '{"handle":null,"store":1}',
          JSON.stringify({ handle: handleOf(id), userId: { toString: 1 }, reason: 'revoked' }),
          JSON.stringify({ handle: handleOf(id), userId: 'alice' }),
          '\u0000',
        ]
        const { admin } = scene.topology.nodes[0] as (typeof scene.topology.nodes)[number]
        for (const message of garbage) await admin.publish(channelOf(scene), message)
        await here.destroy(id)
        await once()
        expect(events).to.deep.equal([{ handle: handleOf(id), userId: 'alice', reason: 'logout' }])
        expect(failures).to.deep.equal([])
      })

      it('a client that was closed is no failure, and a store hears of its own revocations without one', async () => {
        const client = await scene.topology.connect()
        const store = scene.store({ subscriber: client as unknown as SubscriberClient })
        const failures = failuresOf(store)
        const [id, other] = [await scene.signIn('alice'), await scene.signIn('alice')]
        const [{ listener, once }, first] = [heard(), heard()]
        store.onRevoked(other, first.listener)
        await untilListening(scene, 1)
        await scene.store({ subscriber: await subscriberOf(scene.topology) }).destroy(other)
        await first.once()
        await untilListening(scene, 2)
        store.onRevoked(id, listener)
        client.destroy()
        await store.destroy(id)
        await once()
        expect(failures).to.deep.equal([])
      })

      it('without a subscriber nothing is published', async () => {
        const messages: string[] = []
        const eavesdropper = await subscriberOf(scene.topology)
        await eavesdropper.subscribe(channelOf(scene), (message) => messages.push(message))
        const [silent, speaking] = [
          scene.store(),
          scene.store({ subscriber: await subscriberOf(scene.topology) }),
        ]
        await silent.destroy(await scene.signIn('alice'))
        const id = await scene.signIn('alice')
        await speaking.destroy(id)
        await eventually('a message', () => messages.length > 0)
        expect(messages.map((message) => JSON.parse(message).handle)).to.deep.equal([handleOf(id)])
      })
    },
    ['server', 'sentinel', 'cluster'],
  )

  onEveryStage(
    (scene) => {
      it('a plain client of any one node hears of the whole Cluster', async () => {
        const id = await scene.signIn('alice')
        const stores = scene.topology.nodes.map(({ server }) => {
          const client = closing(tracked(createClient({ url: server.url })))
          client.on('error', () => {})
          return { client, connected: client.connect() }
        })
        const listeners = await Promise.all(
          stores.map(async ({ client, connected }) => {
            await connected
            const { listener, once } = heard()
            scene.store({ subscriber: client }).onRevoked(id, listener)
            return once
          }),
        )
        await untilListening(scene, stores.length)
        const speaker = scene.store({ subscriber: await subscriberOf(scene.topology) })
        await speaker.destroyUser('alice')
        await Promise.all(listeners.map((once) => once()))
      })

      it('reads only the sessions with listeners after a reconnect', async () => {
        const { client, calls } = watch(scene.client)
        const store = scene.store({ client, subscriber: await subscriberOf(scene.topology) })
        await untilListening(scene, 1)
        await cutSubscribers(scene)
        await untilListening(scene, 1)
        expect(calls).to.deep.equal([])
        store.onRevoked(await scene.signIn('alice'), () => {})
        expect(calls).to.deep.equal([])
      })
    },
    ['cluster'],
  )

  describe('on servers of their own', () => {
    let scene: Scene

    afterEach(async () => {
      if (scene.client.isOpen) scene.client.destroy()
      await scene.topology.stop()
    })

    async function stage(topology: Topology): Promise<void> {
      scene = new Scene()
      scene.topology = topology
      scene.client = await topology.connect()
      scene.prefixes = freshPrefixes()
    }

    it('after a failover of Sentinel it listens to the new master, and checks for missed revocations', async function () {
      this.timeout('5m')
      await stage((await startTopology('sentinel', { failover: true })) as unknown as Topology)
      const there = scene.store({ subscriber: await subscriberOf(scene.topology) })
      await untilListening(scene, 1)
      const failures = failuresOf(there)
      const [gone, stays] = [await scene.signIn('alice'), await scene.signIn('bob')]
      const [lost, kept] = [heard(), heard()]
      there.onRevoked(gone, lost.listener)
      there.onRevoked(stays, kept.listener)
      const [master] = (await scene.topology.masters()) as [Node]
      // This store sends no message, as if the connection had been down.
      await scene.store().destroy(gone)
      await untilReplicated(scene.topology, master)
      await master.server.kill()
      await lost.once()
      await untilListening(scene, 1)
      await scene.store({ subscriber: await subscriberOf(scene.topology) }).destroy(stays)
      await kept.once()
      expect(kept.events).to.have.lengthOf(1)
      for (const failure of failures) expect(failure).to.match(connectionError)
    })

    it('after a failover of Cluster it listens to another node, and checks for missed revocations', async function () {
      this.timeout('5m')
      await stage((await startTopology('cluster', { replicas: 1, failover: true })) as unknown as Topology)
      const connect = async () => {
        const cluster = createCluster({
          rootNodes: scene.topology.nodes.map(({ server }) => ({ url: server.url })),
          topologyRefreshOnReconnectionAttemptStrategy: 100,
        })
        cluster.on('error', () => {})
        return closing(tracked(await cluster.connect()))
      }
      const client = await connect()
      const there = scene.store({ client, subscriber: await connect() })
      await untilChecked(there)
      const [listenedTo] = await untilListening(scene, 1)
      const failures = failuresOf(there)
      const speaking = scene.store({ client, subscriber: await connect() })
      const [gone, stays] = [await scene.signIn('alice'), await scene.signIn('bob')]
      const [lost, kept] = [heard(), heard()]
      there.onRevoked(gone, lost.listener)
      there.onRevoked(stays, kept.listener)
      // This store sends no message, as if the connection had been down.
      await scene.store().destroy(gone)
      for (const master of await scene.topology.masters()) await untilReplicated(scene.topology, master)
      await listenedTo?.server.kill()
      await lost.once()
      expect(lost.events.map(({ reason }) => reason)).to.deep.equal(['missed'])
      await untilListening(scene, 2)
      await eventually('the revocation to be done', () => speaking.destroy(stays).then(() => true))
      await kept.once()
      expect(kept.events).to.have.lengthOf(1)
      for (const failure of failures) expect(failure).to.match(connectionError)
    })

    describe('with fewer permissions', () => {
      const unpublished = 'no message could be published on'

      async function allowed(...rules: string[]) {
        const [node] = scene.topology.nodes as [Topology['nodes'][number]]
        const name = `user${newId()}`
        await node.admin.aclSetUser(name, ['on', 'nopass', ...rules])
        const client = closing(
          tracked(createClient({ url: node.server.url, username: name, password: 'any' })),
        )
        client.on('error', () => {})
        return client.connect()
      }

      beforeEach(async () => stage((await startTopology('server')) as unknown as Topology))

      it('a store that may not publish still revokes, reports it, and calls its own listeners', async () => {
        const mute = await allowed('~*', '+@all', 'resetchannels')
        const store = scene.store({ client: mute as never, subscriber: await subscriberOf(scene.topology) })
        const failures = failuresOf(store)
        const ids = await Promise.all(Array.from({ length: 250 }, () => scene.signIn('alice')))
        const { events, listener, once } = heard()
        store.onRevoked(ids[0] as string, listener)
        expect(await store.destroyUser('alice')).to.equal(250)
        await once()
        expect(events.map(({ reason }) => reason)).to.deep.equal(['revoked'])
        expect(await scene.keys()).to.deep.equal([])
        expect(new Set(failures)).to.deep.equal(new Set([`Error: ${unpublished} ${channelOf(scene)}`]))
      })

      it('a subscriber that may not subscribe is reported, and hears once it may', async () => {
        const [node] = scene.topology.nodes as [Topology['nodes'][number]]
        const deaf = await allowed('~*', '+@all', 'resetchannels')
        const store = scene.store({ subscriber: deaf })
        const failures = failuresOf(store)
        await eventually('a report', () => failures.length > 0)
        expect(failures[0]).to.include('NOPERM')
        const { username } = deaf.options as { username: string }
        const id = await scene.signIn('alice')
        const { listener, once } = heard()
        store.onRevoked(id, listener)
        await scene.store().destroy(id)
        await node.admin.aclSetUser(username, [`&${channelOf(scene)}*`])
        await once()
      })

      it('a failure without a listener causes one warning for each kind', async () => {
        const warnings: string[] = []
        const warn = ({ message }: Error) => warnings.push(message)
        process.on('warning', warn)
        const mute = await allowed('~*', '+@all', 'resetchannels')
        const store = scene.store({ client: mute as never, subscriber: await subscriberOf(scene.topology) })
        for (let n = 0; n < 3; n++) await store.destroy(await scene.signIn('alice'))
        await eventually('a warning', () => warnings.length > 0)
        process.off('warning', warn)
        expect(warnings).to.have.lengthOf(1)
        expect(warnings[0]).to.include(`cannot tell or hear of revocations: Error: ${unpublished}`)
      })
    })

    it('if Redis is gone, the revocation fails and the process continues', async () => {
      await stage((await startTopology('server')) as unknown as Topology)
      const [node] = scene.topology.nodes as [Topology['nodes'][number]]
      const options = { disableOfflineQueue: true }
      const client = closing(await scene.topology.connect(options))
      const subscriber = closing(await scene.topology.connect(options)) as unknown as SubscriberClient
      const store = scene.store({ client, subscriber })
      await untilListening(scene, 1)
      const failures = failuresOf(store)
      const id = await scene.signIn('alice')
      const { events, listener, once } = heard()
      store.onRevoked(id, listener)
      await node.server.kill()
      await rejection(store.destroy(id))
      expect(events).to.deep.equal([])
      await node.server.restart()
      // Redis has forgotten everything.
      await once()
      for (const failure of failures) expect(failure).to.match(connectionError)
    })
  })
})
