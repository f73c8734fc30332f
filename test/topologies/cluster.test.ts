/** Redis Cluster: one key per command, scripts on every node, redirects while slots move, enumeration over all masters. */
import { expect } from 'chai'
import { createCluster } from 'redis'
import {
  createSession,
  deleteSession,
  deleteUserSessions,
  getUserSessions,
  readSession,
  type UserSessionStore,
  updateSession,
  updateUserSessions,
} from '../../src/index.ts'
import { tracked } from '../support/clients.ts'
import { HOUR, inMs, MINUTE, SECOND } from '../support/database.ts'
import { loadScripts } from '../support/load-scripts.ts'
import { type Call, watch } from '../support/paused-client.ts'
import { load, newId, onEveryStage, type Scene } from '../support/scene.ts'
import { cookie, fields, newSession } from '../support/sessions.ts'
import { moveSlot } from '../support/topologies/move-slot.ts'
import type { Node } from '../support/topologies/node.ts'
import type { AnyClient } from '../support/topologies.ts'

const SOME = 60
const MANY = 450

describe('on Redis Cluster', () => {
  onEveryStage(
    (scene) => {
      it('every command has exactly one key, and only scans have none', async () => {
        for (const { admin } of await scene.topology.masters()) await admin.scriptFlush()
        const { client, calls } = watch(scene.client)
        await everything(scene, client)
        const unexpected = calls.filter((call) => call.command !== 'scan' && keysOf(call).length !== 1)
        expect(unexpected).to.deep.equal([])
        const commands = new Set(calls.map(({ command }) => command))
        expect(commands).to.have.all.keys('evalSha', 'eval', 'get', 'set', 'pExpireAt', 'getDel', 'scan')
        expect(calls.length).to.be.greaterThan(100)
      })

      it('a call for a user with many sessions queues few commands at a time', async () => {
        const ids = await spread(scene, MANY)
        const [master] = await scene.topology.masters()
        const cluster = createCluster({
          rootNodes: [{ url: String(master?.server.url) }],
          defaults: { commandsQueueMaxLength: 160 },
        })
        const store = scene.store({ client: tracked(await cluster.connect()) })
        expect(await store.userSessions('alice')).to.have.length(ids.length)
        expect(await store.updateUser('alice', { role: 'admin' } as never)).to.equal(ids.length)
        expect(await store.destroyUser('alice')).to.equal(ids.length)
        await cluster.close()
      })

      it('a node that forgets its scripts is sent them again, and only then', async () => {
        const ids = await spread(scene, SOME)
        for (const { admin } of await scene.topology.masters()) await loadScripts(admin)
        const [forgetful] = await scene.topology.masters()
        await forgetful?.admin.scriptFlush()
        const { client, calls } = watch(scene.client)
        const store = scene.store({ client })
        // A save that moves the end of a session needs scripts on every server.
        for (const id of ids) {
          await store.set(id, Object.assign(fields(await store.get(id)), { cookie: cookie(2 * HOUR) }))
        }
        const sent = calls.filter(({ command }) => command === 'eval')
        for (const call of sent) {
          const there = await scene.topology.masterOf(keysOf(call)[0] as string)
          expect(there, 'who was sent a source').to.equal(forgetful)
        }
        expect(sent.length)
          .to.equal(new Set(sent.map(({ args }) => args[0])).size)
          .and.to.be.within(1, 3)
        expect(await store.userSessions('alice')).to.have.length(SOME)
        await store.destroyUser('alice')
        expect(await scene.keys()).to.deep.equal([])
      })

      it('everything works on nodes that have no scripts at all, in the middle of it', async () => {
        for (const { admin } of await scene.topology.masters()) await admin.scriptFlush()
        const flushing = { on: true }
        const flushed = (async () => {
          while (flushing.on) {
            for (const { admin } of await scene.topology.masters()) await admin.scriptFlush()
          }
        })()
        for (let n = 0; n < 5; n++) await everything(scene, scene.client)
        flushing.on = false
        await flushed
      })

      it('enumerates over all masters, each of which has a part', async () => {
        const ids = await spread(scene, SOME)
        for (const master of await scene.topology.masters()) {
          expect((await keysOn(scene, master)).length).to.be.within(1, SOME - 1)
        }
        const store = scene.store({ scanCount: 5 })
        expect(await store.ids())
          .to.have.members(ids)
          .and.to.have.length(SOME)
        expect(await store.length()).to.equal(SOME)
        expect((await store.all()).map(({ id }) => id)).to.have.members(ids)
        for (const id of ids) await scene.client.zRem(scene.indexKey('alice'), id)
        const totals: number[] = []
        const onProgress = ({ total }: { total: number }) => void totals.push(total)
        expect(await store.reindex({ onProgress })).to.deep.equal({ scanned: SOME, indexed: SOME })
        expect(new Set(totals)).to.deep.equal(new Set([SOME]))
        expect(await store.userSessions('alice')).to.have.length(SOME)
        await store.clear()
        expect(await scene.keys()).to.deep.equal([])
      })

      it('hash tags in the prefixes keep all in one slot, those in ids or user ids do no harm', async () => {
        const { prefix, userPrefix } = scene.prefixes
        scene.prefixes = { prefix: `{${prefix}}session:`, userPrefix: `{${prefix}}user:` }
        await everything(scene, scene.client)
        const ids = await spread(scene, SOME)
        const homes = await Promise.all(ids.map((id) => scene.topology.masterOf(scene.sessionKey(id))))
        expect(new Set(homes)).to.have.property('size', 1)
        expect(await scene.topology.masterOf(scene.indexKey('alice'))).to.equal(homes[0])
        await scene.store().clear()
        scene.prefixes = { prefix, userPrefix }
        const id = await scene.signIn('{bob}{', {}, '}{id}')
        await scene.expectSignedIn(id, '{bob}{')
        expect(await scene.store().destroyUser('{bob}{')).to.equal(1)
        expect(await scene.keys()).to.deep.equal([])
      })

      describe('while a slot is moved', () => {
        it('a client that does not know the new master yet is sent there', async () => {
          const id = await scene.signIn('alice')
          for (const key of [scene.sessionKey(id), scene.indexKey('alice')]) {
            await moveSlot(scene.topology, key, await otherMaster(scene, key))
            await scene.request(id, { cart: key })
            await scene.expectSignedIn(id, 'alice', SECOND)
          }
          expect(await scene.store().destroyUser('alice')).to.equal(1)
          expect(await scene.keys()).to.deep.equal([])
        })

        it('the last session of a user can go from an index that is still to be moved', async () => {
          const { prefix } = scene.prefixes
          scene.prefixes = { prefix: `{${prefix}}session:`, userPrefix: `{${prefix}}user:` }
          const one = [
            await scene.signIn('alice'),
            await scene.signIn('bob'),
            await scene.signIn('carol'),
          ] as const
          await scene.client.zAdd(scene.indexKey('dave'), { value: 'of none', score: Date.now() + HOUR })
          await moveSlot(
            scene.topology,
            scene.indexKey('alice'),
            await otherMaster(scene, scene.indexKey('alice')),
            {
              meanwhile: async () => {
                await scene.store().destroy(one[0])
                expect(await scene.store().destroyUser('bob')).to.equal(1)
                await scene.request(one[2], { userId: undefined })
                expect(await scene.store().userSessions('dave')).to.deep.equal([])
              },
            },
          )
          expect(await scene.keys()).to.deep.equal([scene.sessionKey(one[2])])
        })

        it('a user whose entries have all ended can sign in and out before the index is moved', async () => {
          const { prefix } = scene.prefixes
          scene.prefixes = { prefix: `{${prefix}}session:`, userPrefix: `{${prefix}}user:` }
          const destroyed = await scene.signIn('alice')
          const signedOut = await scene.signIn('dave')
          for (const userId of ['alice', 'bob', 'carol', 'dave']) {
            const key = scene.indexKey(userId)
            const value = userId === 'dave' ? signedOut : destroyed
            await scene.client.zAdd(key, { value, score: Date.now() - SECOND })
            await scene.client.persist(key)
          }
          const limited = scene.store({ maxUserSessions: { limit: 1, onLimit: 'reject' } })
          const another = newId()
          const to = await otherMaster(scene, scene.indexKey('alice'))
          await moveSlot(scene.topology, scene.indexKey('alice'), to, {
            meanwhile: async () => {
              await scene.store().destroy(destroyed)
              await scene.request(signedOut, { userId: undefined })
              await limited.set(another, newSession({ userId: 'bob' }))
              await scene.expectSignedIn(await scene.signIn('carol'), 'carol')
            },
          })
          expect(await scene.store().get(destroyed)).to.equal(null)
          expect(await scene.record(signedOut)).to.not.have.property('userId')
          await scene.expectSignedIn(another, 'bob', SECOND)
        })

        it('everything works while two masters share the slot, before, between and after its keys', async () => {
          const { prefix } = scene.prefixes
          scene.prefixes = { prefix: `{${prefix}}session:`, userPrefix: `{${prefix}}user:` }
          const [stays, leaves] = [
            await scene.signIn('alice', { n: 1 }),
            await scene.signIn('alice', { n: 2 }),
          ]
          const to = await otherMaster(scene, scene.sessionKey(stays))
          await to.admin.scriptFlush()
          await moveSlot(scene.topology, scene.sessionKey(stays), to, {
            meanwhile: async () => {
              await everything(scene, scene.client, 'bob')
              await migrate(scene, scene.sessionKey(leaves), to)
              await scene.request(stays, { cart: 1 })
              await scene.request(leaves, { cart: 2 })
              expect(await scene.store().userSessions('alice')).to.have.length(2)
              await migrate(scene, scene.indexKey('alice'), to)
              expect(await scene.store().userSessions('alice')).to.have.length(2)
              await everything(scene, scene.client, 'bob')
            },
          })
          await everything(scene, scene.client, 'bob')
          expect(await scene.record(stays)).to.include({ n: 1, cart: 1 })
          expect(await scene.record(leaves)).to.include({ n: 2, cart: 2 })
          await scene.expectSignedIn(stays, 'alice')
          await scene.expectSignedIn(leaves, 'alice')
          expect(await scene.store().destroyUser('alice')).to.equal(2)
          expect(await scene.keys()).to.deep.equal([])
        })
      })
    },
    ['cluster'],
  )
})

/** Calls every function and every method that talks to Redis at least once, and leaves nothing behind. */
async function everything(scene: Scene, client: AnyClient, userId = 'alice'): Promise<void> {
  const options = { ...scene.options, client }
  const store = scene.store({ client })
  const sessionId = await createSession({ ...options, data: { userId, expires: inMs(HOUR) } })
  await updateSession({ ...options, sessionId, data: { cart: 1 } })
  await updateSession({ ...options, sessionId, data: { expires: inMs(MINUTE) } })
  await updateUserSessions({ ...options, userId, data: { role: 'guest' } })
  expect(await readSession({ ...options, sessionId })).to.include({ cart: 1, role: 'guest' })
  expect(await getUserSessions({ ...options, userId })).to.have.length(1)
  await deleteSession({ ...options, sessionId })
  await Promise.all([1, 2, 3].map(() => createSession({ ...options, data: { userId, expires: inMs(HOUR) } })))
  await deleteUserSessions({ ...options, userId })
  await everyMethod(store, userId)
  expect(await store.userSessions(userId)).to.deep.equal([])
  await everyPlainCommand(store, scene.store({ client, touchInterval: 0 }))
}

/** An anonymous session is made, touched and destroyed without a script. */
async function everyPlainCommand(maker: UserSessionStore, visitor: UserSessionStore): Promise<void> {
  const id = newId()
  await maker.set(id, newSession({}))
  const session = await load(visitor, id)
  session.touch()
  await visitor.touch(id, session)
  await visitor.destroy(id)
}

async function everyMethod(store: UserSessionStore, userId: string): Promise<void> {
  const ids = Array.from({ length: 6 }, newId)
  await Promise.all(ids.map((id) => store.set(id, newSession({ userId }))))
  const [first, second, third] = ids as [string, string, string]
  await store.touch(first, Object.assign(fields(await store.get(first)), { cookie: cookie(2 * HOUR) }))
  await store.touch(first, newSession({}, cookie(MINUTE)))
  await store.set(second, Object.assign(fields(await store.get(second)), { userId: `another ${userId}` }))
  expect(await store.updateUser(userId, { role: 'guest' } as never)).to.equal(5)
  expect(await store.ids()).to.include.members(ids)
  expect((await store.all()).map(({ id }) => id)).to.include.members(ids)
  expect((await store.reindex()).indexed).to.be.at.least(6)
  expect(await store.destroyUserSession(userId, third)).to.equal(true)
  expect(await store.destroyUser(userId, { except: first })).to.equal(3)
  await store.destroy(first)
  expect(await store.destroyUser(`another ${userId}`)).to.equal(1)
}

/** Signs alice in so often that every master has some of her sessions. */
async function spread(scene: Scene, count: number): Promise<string[]> {
  return Promise.all(Array.from({ length: count }, () => scene.signIn('alice')))
}

function keysOf({ args }: Call): string[] {
  const [key, options] = args as [string, { keys?: string[] } | undefined]
  return options?.keys ?? [key]
}

/** The session keys of this test on one node. */
async function keysOn(scene: Scene, { admin }: Node): Promise<string[]> {
  return (await admin.keys('*')).filter((key) => key.startsWith(scene.prefixes.prefix))
}

async function otherMaster(scene: Scene, key: string): Promise<Node> {
  const from = await scene.topology.masterOf(key)
  return (await scene.topology.masters()).find((node) => node !== from) as Node
}

/** Moves one key of a slot that two masters share. */
async function migrate(scene: Scene, key: string, to: Node): Promise<void> {
  const { admin } = await scene.topology.masterOf(key)
  await admin.sendCommand(['MIGRATE', '127.0.0.1', String(to.server.port), key, '0', '5000'])
}
