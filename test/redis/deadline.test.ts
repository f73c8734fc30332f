/** Commands share deadlines. Each still has the client's timeout, for any number of waiting commands. */
import { expect } from 'chai'
import { createClient, createClientPool, TimeoutError } from 'redis'
import type { SessionClient } from '../../src/index.ts'
import { UserSessionStore } from '../../src/index.ts'
import { eventually } from '../support/eventually.ts'
import { newSession } from '../support/sessions.ts'
import { type ServerHandle, spawnServer } from '../support/spawn-server.ts'

const TIMEOUT_MS = 50

const passed = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Blocks the event loop. */
function busyFor(ms: number): void {
  const end = Date.now() + ms
  while (Date.now() < end);
}

const MANY = 100

describe('A command that Redis was not sent within the timeout of its client', () => {
  let server: ServerHandle
  let client: ReturnType<typeof createClient>
  let store: UserSessionStore

  beforeEach(async () => {
    server = await spawnServer()
    client = createClient({
      url: server.url,
      commandOptions: { timeout: TIMEOUT_MS },
      socket: { reconnectStrategy: 10 },
    })
    client.on('error', () => {})
    await client.connect()
    store = new UserSessionStore({ client: client as unknown as SessionClient })
  })
  afterEach(async () => {
    client.destroy()
    await server.stop()
  })

  async function loseServer(): Promise<void> {
    const lost = new Promise((resolve) => client.once('reconnecting', resolve))
    await server.kill()
    await lost
  }

  async function restartServer(): Promise<void> {
    await server.restart()
    await eventually('the client to be connected again', () => client.isReady)
  }

  it('is taken back and rejects, as many as there are', async () => {
    await loseServer()
    const results = await Promise.allSettled(
      Array.from({ length: MANY }, (_, n) =>
        n % 2 ? store.get(`id-${n}`) : store.set(`id-${n}`, newSession({ userId: 'eva' })),
      ),
    )
    const reasons = results.map((result) => (result as PromiseRejectedResult).reason)
    for (const reason of reasons) expect(reason).to.be.an.instanceOf(TimeoutError)
    await restartServer()
    expect(await store.length(), 'nothing is written later').to.equal(0)
  })

  it('has its own deadline if the deadline of earlier commands has passed', async () => {
    await loseServer()
    for (let n = 0; n < 3; n++) {
      const error = await store.get('id').catch((error) => error)
      expect(error).to.be.an.instanceOf(TimeoutError)
    }
    await restartServer()
    expect(await store.get('id')).to.equal(null)
  })

  it('fails as a command of the client itself does, and so does the next one', async () => {
    await loseServer()
    for (let n = 0; n < 2; n++) {
      const own = await client.get('id').catch((error) => error)
      const ours = await store.get('id').catch((error) => error)
      expect(ours.constructor).to.equal(own.constructor)
    }
  })

  it('is none that waits for a connection of a pool', async () => {
    const pool = createClientPool(
      { url: server.url, commandOptions: { timeout: TIMEOUT_MS } },
      { minimum: 1, maximum: 1 },
    )
    pool.on('error', () => {})
    await pool.connect()
    try {
      const lent = pool.execute(() => passed(5 * TIMEOUT_MS))
      expect(await new UserSessionStore({ client: pool }).get('id')).to.equal(null)
      await lent
    } finally {
      await pool.close()
    }
  })

  it('is none that is issued after the process was busy for longer than that', async () => {
    const early = store.get('id').catch((error) => error)
    busyFor(5 * TIMEOUT_MS)
    expect(await Promise.all([store.get('id'), store.get('id')])).to.deep.equal([null, null])
    await early
    busyFor(5 * TIMEOUT_MS)
    expect(await store.get('id')).to.equal(null)
  })

  it('is none that is issued after the deadline of others, even if the clock stands still', async () => {
    const { now } = performance
    const frozen = now.call(performance)
    performance.now = () => frozen
    try {
      expect(await store.get('id')).to.equal(null)
      await passed(5 * TIMEOUT_MS)
      expect(await store.get('id')).to.equal(null)
    } finally {
      performance.now = now
    }
  })

  it('has waited for the longest possible timer, if the timeout is longer', async () => {
    const patient = createClient({ url: server.url, commandOptions: { timeout: 2 ** 31 - 1 } })
    patient.on('error', () => {})
    await patient.connect()
    try {
      const patientStore = new UserSessionStore({ client: patient as unknown as SessionClient })
      expect(await patientStore.get('id')).to.equal(null)
      // Node treats such a timeout as 1 ms.
      await new Promise((resolve) => setTimeout(resolve, 10))
      expect(await patientStore.get('id')).to.equal(null)
    } finally {
      patient.destroy()
    }
  })

  it('is another than one that Redis has not answered yet', async () => {
    await store.set('id', newSession({ userId: 'eva' }))
    await server.pause()
    const loading = store.get('id')
    const late = await Promise.race([loading, new Promise((resolve) => setTimeout(resolve, 5 * TIMEOUT_MS))])
    expect(late).to.equal(undefined)
    await server.resume()
    expect(await loading).to.include({ userId: 'eva' })
  })
})
