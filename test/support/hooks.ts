/** One Redis for the whole run, separate key prefixes for the run, and no client left open at its end. */
import { randomBytes } from 'node:crypto'
import { createClient } from 'redis'
import { closeForgottenClients, tracked } from './clients.ts'
import { loadScripts } from './load-scripts.ts'
import { type FoundRedis, findRedis } from './redis-server.ts'
import { stopRemainingTopologies } from './topologies.ts'

// Coverage is only for this process. Child processes compile the sources in another way, and c8 cannot merge the two.
delete process.env.NODE_V8_COVERAGE

const RUN_PREFIX = `redis-user-sessions-test:${randomBytes(6).toString('hex')}:`
const SCAN_COUNT = 1000

let redis: FoundRedis | undefined
let prefixesGiven = 0

export type TestClient = Awaited<ReturnType<typeof connect>>
export type Prefixes = { prefix: string; userPrefix: string }

/** The URL of the run's Redis. */
export function redisUrl(): string {
  if (!redis) throw new Error('There is no Redis before the root hook beforeAll or after afterAll')
  return redis.url
}

/** A connected client of the run's Redis. The caller must close it. */
export async function connect(options: Omit<Parameters<typeof createClient>[0], 'url'> = {}) {
  const client = createClient({ ...options, url: redisUrl() })
  client.on('error', () => {})
  return tracked(await client.connect())
}

/** Prefixes that no other test uses, on this Redis or any other; their keys are deleted after the run. */
export function freshPrefixes(): Prefixes {
  const own = `${RUN_PREFIX}${++prefixesGiven}:`
  return { prefix: `${own}session:`, userPrefix: `${own}user:` }
}

/** Mocha drops unhandled rejections unless a listener gets them. Here they fail the running test. */
process.on('unhandledRejection', (reason) => {
  throw reason
})

export const mochaHooks = {
  async beforeAll(this: Mocha.Context) {
    this.timeout('5m')
    redis = await findRedis()
    process.stdout.write(`Redis: ${redis.how}\n`)
    await withClient(loadScripts)
  },

  async afterAll() {
    const forgotten = closeForgottenClients()
    await stopRemainingTopologies()
    if (!redis) return
    try {
      await withClient(deleteKeysOfThisRun)
    } finally {
      await redis.stop()
      redis = undefined
    }
    if (forgotten > 0) throw new Error(`${forgotten} Redis client(s) were not closed by their tests`)
  },
}

async function deleteKeysOfThisRun(client: TestClient): Promise<void> {
  for await (const keys of client.scanIterator({ MATCH: `${RUN_PREFIX}*`, COUNT: SCAN_COUNT })) {
    if (keys.length > 0) await client.unlink(keys)
  }
}

async function withClient(work: (client: TestClient) => Promise<void>): Promise<void> {
  const client = await connect()
  try {
    await work(client)
  } finally {
    await client.close()
  }
}
