/** `reindex` beside a running app, and its script in examples/reindex. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { expect } from 'chai'
import { UserSessionStore } from '../../src/index.ts'
import { HOUR, useDatabase } from '../support/database.ts'
import { redisUrl } from '../support/hooks.ts'
import { newSession } from '../support/sessions.ts'
import { startTopology, type Topology } from '../support/topologies.ts'
import { ROOT } from './support/blocks.ts'
import { fillLikeConnectRedis, LiveApp, wronglyIndexed } from './support/live-app.ts'

const SESSIONS = Number(process.env.REINDEX_SESSIONS ?? 20_000)
const SOME = 3000

describe('Reindexing sessions of connect-redis', function () {
  this.timeout('5m')
  const db = useDatabase()

  it(`guarantee 1, indexed: all of ${SESSIONS} sessions, while an app keeps writing`, async () => {
    const options = { ...db.prefixes, sessions: SESSIONS, users: SESSIONS / 4 }
    await fillLikeConnectRedis(db.client, options)
    const app = new LiveApp(db.client, options)
    app.start()
    const { scanned, indexed } = await db.store().reindex()
    const { operations, destroyed } = await app.stop()

    const { live, wrong } = await wronglyIndexed(db.client, db.prefixes)
    expect(wrong).to.deep.equal([])
    expect(operations).to.be.greaterThan(100)
    expect(live.length).to.be.greaterThan(SESSIONS / 2)
    expect(scanned).to.be.at.least(SESSIONS - destroyed.size)
    expect(indexed).to.be.at.most(scanned)
    expect(live.filter((id) => destroyed.has(id))).to.deep.equal([])
  })

  describe('with the script', () => {
    const fill = () => fillLikeConnectRedis(db.client, { ...db.prefixes, sessions: SOME, users: 100 })
    const args = () => ['--prefix', db.prefixes.prefix, '--user-prefix', db.prefixes.userPrefix]

    it('indexes all sessions and prints how many there were', async () => {
      await fill()
      await db.client.set(db.sessionKey('nobody'), JSON.stringify(newSession()), { PX: HOUR })
      const { code, said } = await ended(script('--url', redisUrl(), ...args()))
      expect(said).to.include(`${SOME + 1} sessions, of which ${SOME} have a user`)
      expect(code).to.equal(0)
      const { live, wrong } = await wronglyIndexed(db.client, db.prefixes)
      expect(wrong).to.deep.equal([`nobody of undefined: TTL ${await db.expiry('nobody')}, index null`])
      expect(live).to.have.lengthOf(SOME + 1)
    })

    it('stops at Ctrl+C without losing its work, and does the rest in the next run', async () => {
      await fill()
      const run = script('--url', redisUrl(), ...args(), '--scan-count', '20')
      await untilItSays(run, /of \d+ sessions/)
      run.kill('SIGINT')
      const stopped = await ended(run)
      expect(stopped.complaints).to.include('stopped by SIGINT. What is indexed stays; run it again')
      expect(stopped.code).to.equal(1)
      expect((await wronglyIndexed(db.client, db.prefixes)).wrong.length).to.be.greaterThan(0)

      const { code } = await ended(script('--url', redisUrl(), ...args()))
      expect(code).to.equal(0)
      expect((await wronglyIndexed(db.client, db.prefixes)).wrong).to.deep.equal([])
    })

    it('prints which option is wrong', async () => {
      const bad = await ended(script('--url', redisUrl(), ...args(), '--scan-count', 'many'))
      expect(bad.code).to.equal(1)
      expect(bad.complaints).to.include('scanCount')
      const unknown = await ended(script('--nonsense'))
      expect(unknown.code).to.equal(1)
      expect(unknown.complaints).to.include("Unknown option '--nonsense'")
    })

    it('prints that no Redis answers, or that no session has the prefix', async () => {
      const nowhere = await ended(script('--url', 'redis://127.0.0.1:1'))
      expect(nowhere.code).to.equal(1)
      expect(nowhere.complaints).to.match(/^connect ECONNREFUSED [^\n]*\n$/)
      const elsewhere = await ended(script('--url', redisUrl(), ...args(), '--prefix', 'none:'))
      expect(elsewhere.said).to.include('No key begins with "none:"')
    })

    it('shows its options', async () => {
      const { code, said } = await ended(script('--help'))
      expect(code).to.equal(0)
      for (const option of ['url', 'cluster', 'prefix', 'user-prefix', 'scan-count']) {
        expect(said).to.include(`--${option}`)
      }
    })

    describe('on Cluster', () => {
      let topology: Topology

      before(async function () {
        this.timeout('5m')
        topology = await startTopology('cluster')
      })

      after(() => topology.stop())

      it('indexes the sessions of all masters', async () => {
        const client = await topology.connect()
        const ids = Array.from({ length: 50 }, (_, n) => `s${n}`)
        const record = JSON.stringify(newSession({ userId: 'eva' }))
        await Promise.all(ids.map((id) => client.set(`sess:${id}`, record, { PX: HOUR })))
        const { code } = await ended(script('--cluster', '--url', topology.nodes[0]?.server.url as string))
        expect(code).to.equal(0)
        // A store with the script's default prefix uses the script's default `userPrefix` too.
        const listed = await new UserSessionStore({ client, prefix: 'sess:' }).userSessions('eva')
        expect(listed.map(({ sessionId }) => sessionId)).to.have.members(ids)
        await client.close()
      })
    })
  })
})

function script(...args: string[]): ChildProcess {
  return spawn(
    process.execPath,
    ['--import', 'tsx', '--max-old-space-size=64', 'examples/reindex/reindex.js', ...args],
    {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 60_000,
      killSignal: 'SIGKILL',
    },
  )
}

const complaints = new WeakMap<ChildProcess, string>()

async function untilItSays(child: ChildProcess, pattern: RegExp): Promise<void> {
  for await (const chunk of child.stderr?.iterator({ destroyOnReturn: false }) ?? []) {
    const so = (complaints.get(child) ?? '') + chunk
    complaints.set(child, so)
    if (pattern.test(so)) return
  }
  throw new Error(`it never said ${pattern}: ${complaints.get(child)}`)
}

async function ended(child: ChildProcess): Promise<{ code: number; said: string; complaints: string }> {
  if (!child.stdout || !child.stderr) throw new Error('the script was started without pipes')
  const [[code], said, rest] = await Promise.all([
    once(child, 'exit'),
    text(child.stdout),
    text(child.stderr),
  ])
  return { code, said, complaints: (complaints.get(child) ?? '') + rest }
}
