/** What each operation asks of Redis, in commands. With all policies off it is what it was before there were any. */

import { expect } from 'chai'
import type { Session } from 'express-session'
import type { UserSessionStoreOptions } from '../../src/index.ts'
import * as scripts from '../../src/redis/scripts.ts'
import { appWith, browser, sessionOf } from '../support/app.ts'
import { nextMillisecond } from '../support/clock.ts'
import { HOUR, SECOND } from '../support/database.ts'
import { watch } from '../support/paused-client.ts'
import { load, newId, onEveryStage, type Scene } from '../support/scene.ts'
import { cookie, newSession } from '../support/sessions.ts'

const SESSIONS = 3

/** Commands on one server, a pool or Sentinel, and on Cluster, where a session and its index live in different slots. */
const commands: Record<string, { one: number; cluster: number }> = {
  'create, anonymous': { one: 1, cluster: 1 },
  create: { one: 1, cluster: 4 },
  get: { one: 1, cluster: 1 },
  'get, none': { one: 1, cluster: 1 },
  save: { one: 1, cluster: 2 },
  'save, anonymous': { one: 1, cluster: 1 },
  touch: { one: 1, cluster: 2 },
  'touch, anonymous': { one: 1, cluster: 1 },
  destroy: { one: 2, cluster: 4 },
  'destroy, none': { one: 1, cluster: 1 },
  userSessions: { one: 2, cluster: 1 + SESSIONS },
  'userSessions, none': { one: 1, cluster: 1 },
  destroyUser: { one: 3 + SESSIONS, cluster: 2 + 4 * SESSIONS },
  updateUser: { one: 2 + SESSIONS, cluster: 1 + SESSIONS * 4 },
}

describe('Commands per operation', () => {
  onEveryStage((scene) => {
    const expected = (name: string) => commands[name]?.[scene.topology.name === 'cluster' ? 'cluster' : 'one']

    // A server that does not know a script yet is asked twice.
    before(async () => {
      const known = Object.values(scripts).filter((script) => typeof script === 'object')
      for (const { admin } of await scene.topology.masters()) {
        for (const { source } of known) await admin.scriptLoad(source)
      }
    })

    const count = (options: Partial<UserSessionStoreOptions>) => counted(scene, options)

    it('all policies off', async () => {
      const counts = await count({})
      for (const [name, number] of Object.entries(counts)) expect(number, name).to.equal(expected(name))
      expect(counts).to.have.all.keys(Object.keys(commands))
    })

    it('absoluteTtl and a subscriber ask for no more', async () => {
      const subscriber = await scene.topology.connect()
      const options = { absoluteTtl: 3600 }
      const listening = scene.topology.name === 'pool' ? {} : { subscriber: subscriber as never }
      const counts = await count({ ...options, ...listening })
      for (const [name, number] of Object.entries(counts)) expect(number, name).to.equal(expected(name))
      subscriber.destroy()
    })

    it('maxUserSessions asks at a sign-in only: for the listing, and for each that goes', async () => {
      const counts = await count({ maxUserSessions: SESSIONS + 2 })
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
      const reads = scene.topology.name === 'cluster' ? 1 : 0
      expect(third - second).to.equal(reads + (scene.topology.name === 'cluster' ? 4 : 1))
    })

    it('touchInterval asks for nothing where a touch is not due', async () => {
      const counts = await count({ touchInterval: 60 })
      for (const [name, number] of Object.entries(counts)) {
        expect(number, name).to.equal(name.startsWith('touch') ? 0 : expected(name))
      }
    })

    it('a request that only reads: one to load, one to touch', async () => {
      const { client, calls } = watch(scene.client)
      const device = browser(
        appWith(
          scene.store({ client }),
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
      await device.get('/read').expect('read')
      calls.length = 0
      await nextMillisecond()
      await device.get('/read').expect('read')
      expect(calls).to.have.lengthOf(1 + (expected('touch') as number))
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
  }
  for (let n = 1; n < SESSIONS; n++)
    await store.set(newId(), newSession({ userId: 'alice' }, cookie(30 * SECOND)))
  const [mine, nobodys, bobs] = [newId(), newId(), newId()]
  await measure('create', () => store.set(mine, newSession({ userId: 'alice' }, cookie(30 * SECOND))))
  await measure('create, anonymous', () => store.set(nobodys, newSession({}, cookie(30 * SECOND))))
  await store.set(bobs, newSession({ userId: 'bob' }, cookie(30 * SECOND)))
  await measure('get', () => store.get(mine))
  await measure('get, none', () => store.get('none'))
  for (const [id, suffix] of [
    [mine, ''],
    [nobodys, ', anonymous'],
  ] as const) {
    const session = await load(store, id)
    session.cart = [newId()]
    moveExpiry(session, 1)
    await measure(`save${suffix}`, () => store.set(id, session))
    const next = await load(store, id)
    moveExpiry(next, 2)
    await measure(`touch${suffix}`, () => store.touch(id, next))
  }
  await measure('destroy', () => store.destroy(bobs))
  await measure('destroy, none', () => store.destroy('none'))
  await measure('userSessions', () => store.userSessions('alice'))
  await measure('userSessions, none', () => store.userSessions('nobody'))
  await measure('updateUser', () => store.updateUser('alice', { role: 'admin' } as never))
  await measure('destroyUser', () => store.destroyUser('alice'))
  return counts
}

/** As a touch some seconds later does; one in the same millisecond would move nothing. */
function moveExpiry({ cookie }: Session, seconds: number): void {
  const { originalMaxAge } = cookie
  cookie.expires = new Date(Date.now() + (30 + seconds) * SECOND)
  cookie.originalMaxAge = originalMaxAge
}
