/** Every kind of client, and every way to set one up, gives the same answers. */
import { expect } from 'chai'
import { createClient, createClientPool, RESP_TYPES } from 'redis'
import type { SessionClient } from '../../src/index.ts'
import {
  createSession,
  deleteSession,
  getUserSessions,
  readSession,
  UserSessionStore,
  updateSession,
} from '../../src/index.ts'
import { HOUR, inMs, useDatabase } from '../support/database.ts'
import { freshPrefixes, redisUrl } from '../support/hooks.ts'
import { watch } from '../support/paused-client.ts'
import { fields, newSession } from '../support/sessions.ts'
import { onEveryTopology } from '../support/topologies.ts'

/** A session's way through store and functions, the same on all. */
async function everythingWorks(client: SessionClient, prefixes = freshPrefixes()): Promise<void> {
  const store = new UserSessionStore({ client, ...prefixes })
  const options = { client, ...prefixes }
  const expires = inMs(HOUR)
  await createSession({ ...options, sessionId: 's1', data: { userId: 'eva', expires, text: 'ß🦄' } })
  await updateSession({ ...options, sessionId: 's1', data: { role: 'user' } })
  await store.set('s2', newSession({ userId: 'eva' }))
  const [one, two] = [fields(await store.get('s2')), fields(await store.get('s2'))]
  await store.set('s2', Object.assign(one, { a: 1 }))
  await store.set('s2', Object.assign(two, { b: 2 }))
  await store.touch('s2', two)

  expect(await readSession({ ...options, sessionId: 's1' })).to.deep.equal({
    userId: 'eva',
    expires,
    text: 'ß🦄',
    role: 'user',
  })
  expect(fields(await store.get('s2'))).to.include({ a: 1, b: 2 })
  expect(await getUserSessions({ ...options, userId: 'eva' })).to.have.lengthOf(2)
  const listed = await store.userSessions('eva')
  expect(listed.map(({ sessionId }) => sessionId)).to.deep.equal(['s2', 's1'])
  expect(listed[1]?.expires).to.deep.equal(new Date(expires))
  expect((await store.ids()).sort()).to.deep.equal(['s1', 's2'])
  expect(await store.all()).to.have.lengthOf(2)
  expect(await store.reindex()).to.deep.equal({ scanned: 2, indexed: 2 })

  expect(await store.updateUser('eva', { c: 3 } as never)).to.equal(2)
  expect(await store.destroyUserSession('eva', listed[0]?.handle as string)).to.equal(true)
  await deleteSession({ ...options, sessionId: 's1' })
  await store.set('s2', two)
  expect(await store.get('none')).to.equal(null)
  expect(await store.userSessions('eva')).to.deep.equal([])
  await store.set('s3', newSession({ userId: 'eva' }))
  expect(await store.destroyUser('eva')).to.equal(1)
  await store.clear()
  expect(await store.length()).to.equal(0)
}

describe('A client', () => {
  const db = useDatabase()

  const settings: Record<string, object> = {
    'RESP 2': { RESP: 2 },
    'RESP 3': { RESP: 3 },
    'RESP 2, and buffers for strings': {
      RESP: 2,
      commandOptions: { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } },
    },
    'RESP 3, and buffers for strings': {
      RESP: 3,
      commandOptions: { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } },
    },
    'strings for numbers': { commandOptions: { typeMapping: { [RESP_TYPES.NUMBER]: String } } },
    'a database of its number': { database: 0 },
    'no modules': { modules: {} },
  }
  for (const [what, options] of Object.entries(settings)) {
    it(`with ${what}`, async () => {
      const client = createClient({ ...options, url: redisUrl() }).on('error', () => {})
      await client.connect()
      try {
        await everythingWorks(client as unknown as SessionClient)
      } finally {
        await client.close()
      }
    })
  }

  it('that is a pool', async () => {
    const pool = createClientPool({ url: redisUrl() }, { minimum: 1, maximum: 3 }).on('error', () => {})
    await pool.connect()
    try {
      await everythingWorks(pool)
    } finally {
      await pool.close()
    }
  })

  it('whose server knows the scripts is sent their hashes only', async () => {
    await everythingWorks(db.client, freshPrefixes())
    const { client, calls } = watch(db.client)
    await everythingWorks(client, freshPrefixes())
    expect(calls.map(({ command }) => command))
      .to.include('evalSha')
      .and.not.include('eval')
  })
})

describe('A server that has lost the scripts', () => {
  onEveryTopology((topology) => {
    it('is sent them again, and all works', async () => {
      const client = await topology().connect()
      try {
        await everythingWorks(client as SessionClient)
        for (const { admin } of await topology().masters()) await admin.scriptFlush()
        const { client: watched, calls } = watch(client)
        await everythingWorks(watched as SessionClient)
        expect(calls.map(({ command }) => command)).to.include('eval')
      } finally {
        await client.close()
      }
    })
  })
})
