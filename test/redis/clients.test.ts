/** Every kind of client returns the same results, however it is set up. */
import { expect } from 'chai'
import { createClient, createClientPool, RESP_TYPES } from 'redis'
import type { SessionClient } from '../../src/index.ts'
import { useDatabase } from '../support/database.ts'
import { everythingWorks } from '../support/everything.ts'
import { freshPrefixes, redisUrl } from '../support/hooks.ts'
import { watch } from '../support/paused-client.ts'
import { onEveryTopology } from '../support/topologies.ts'

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

  it('sends only the hashes of scripts that its server knows', async () => {
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
