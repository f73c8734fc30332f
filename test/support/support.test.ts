import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectSocket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect } from 'chai'
import { eventually } from './eventually.ts'
import { connect, freshPrefixes, redisUrl } from './hooks.ts'
import {
  dieAfter,
  dieBefore,
  failAfter,
  failBefore,
  pauseAfter,
  pauseBefore,
  runs,
  watch,
} from './paused-client.ts'
import { findRedis } from './redis-server.ts'
import { spawnServer } from './spawn-server.ts'
import type { ClusterClient } from './topologies/cluster.ts'
import { moveSlot } from './topologies/move-slot.ts'
import { type AdminClient, startServer } from './topologies/node.ts'
import { type AnyClient, onEveryTopology, startTopology } from './topologies.ts'

const ANSWERS_WITHIN_MS = 10_000
/** A paused server sends nothing, so any waiting time is enough. */
const SILENT_FOR_MS = 300

describe('Test support: finding a Redis', () => {
  it('works for every test', async () => {
    const client = await connect()
    const { prefix, userPrefix } = freshPrefixes()
    expect(prefix).to.not.equal(userPrefix)
    await client.set(`${prefix}a`, 'b')
    expect(await client.get(`${prefix}a`)).to.equal('b')
    await client.close()
  })

  it('uses REDIS_URL, prints it without the password, and does not stop it', async () => {
    const found = await findRedis({ env: { REDIS_URL: 'redis://me:secret@cache.example:6380/2' } })
    expect(found.url).to.equal('redis://me:secret@cache.example:6380/2')
    expect(found.how).to.include('cache.example:6380').and.not.include('secret')
    await found.stop()
  })

  it('prints how to install one on each platform if none is found', async () => {
    const message = await rejection(findRedis({ env: { PATH: '/nowhere' } }))
    for (const hint of ['REDIS_URL', 'brew install', 'apt-get install', 'dnf install', 'wsl', 'Docker']) {
      expect(message).to.include(hint)
    }
  })

  it('does not search further if a setting cannot be used', async () => {
    const { PATH } = process.env
    expect(await rejection(findRedis({ env: { PATH, REDIS_SERVER: 'no-such-server' } }))).to.include(
      'no-such-server',
    )
    expect(await rejection(findRedis({ env: { PATH, TEST_REDIS: 'dokcer' } }))).to.include('dokcer')
  })
})

describe('Test support: a run', () => {
  it('fails on an unhandled rejection', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'redis-user-sessions-run-'))
    const file = join(directory, 'rejection.test.ts')
    writeFileSync(
      file,
      "it('passes', () => { Promise.reject(new Error('nobody looked')); return new Promise(setImmediate) })",
    )
    const { TEST_REDIS: _, ...env } = process.env
    const mocha = spawn(process.execPath, ['node_modules/mocha/bin/mocha.js', file], {
      env: { ...env, REDIS_URL: redisUrl() },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [said, [code]] = await Promise.all([text(mocha.stdout), once(mocha, 'exit')])
    expect(said).to.include('nobody looked')
    expect(code).to.be.greaterThan(0)
    rmSync(directory, { recursive: true })
  })
})

describe('Test support: a spawned server', () => {
  it('gets another port when its own is taken', async () => {
    const first = await spawnServer()
    const taken = [`port ${first.port}`]
    const second = await spawnServer({ settings: () => taken.splice(0) })
    expect(await answers(second.port)).to.equal(true)
    await Promise.all([first.stop(), second.stop()])
  })

  it('fails with its own words when it does not accept its settings', async () => {
    expect(await rejection(spawnServer({ settings: () => ['no-such-setting 1'] }))).to.include(
      'no-such-setting',
    )
  })

  it('can be killed, restarted on the same port, paused and resumed', async () => {
    const server = await startServer()
    await server.kill()
    expect([server.dead, await answers(server.port)]).to.deep.equal([true, false])
    await server.restart()
    expect([server.dead, await answers(server.port)]).to.deep.equal([false, true])
    await server.pause()
    expect([server.paused, await answers(server.port, SILENT_FOR_MS)]).to.deep.equal([true, false])
    await server.resume()
    expect([server.paused, await answers(server.port)]).to.deep.equal([false, true])
    await server.stop()
    await server.stop()
    expect(await answers(server.port)).to.equal(false)
  })

  const endings = {
    'ends by itself': { code: '', exit: [0, null] },
    'calls process.exit': { code: 'process.exit(3)', exit: [3, null] },
    'throws an uncaught exception': { code: "throw new Error('uncaught')", exit: [1, null] },
    'is interrupted': {
      code: "process.kill(process.pid, 'SIGINT'); setInterval(() => {}, 1e6)",
      exit: [null, 'SIGINT'],
    },
    'is terminated': {
      code: "process.kill(process.pid, 'SIGTERM'); setInterval(() => {}, 1e6)",
      exit: [null, 'SIGTERM'],
    },
  }
  for (const [how, { code, exit }] of Object.entries(endings)) {
    it(`is gone, with its directory, when the process that started it ${how}`, async () => {
      const module = new URL('./spawn-server.ts', import.meta.url).href
      const script = `import { spawnServer } from '${module}'\nconsole.log((await spawnServer()).port)\n${code}`
      const directory = mkdtempSync(join(tmpdir(), 'redis-user-sessions-parent-'))
      const parent = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', script], {
        env: { ...process.env, TMPDIR: directory },
        stdio: ['ignore', 'pipe', 'ignore'],
      })
      const [said, ended] = await Promise.all([text(parent.stdout), once(parent, 'exit')])
      expect(ended).to.deep.equal(exit)
      expect(Number(said)).to.be.greaterThan(0)
      await eventually('the server to be gone', async () => !(await answers(Number(said))))
      expect(readdirSync(directory).filter((name) => name.startsWith('redis-user-sessions'))).to.deep.equal(
        [],
      )
      rmSync(directory, { recursive: true })
    })
  }
})

describe('Test support: topologies', () => {
  onEveryTopology((topology) => {
    it('sets, gets and finds keys, and reads them on the master that holds them', async () => {
      const client = await topology().connect()
      const { prefix } = freshPrefixes()
      const keys = Array.from({ length: 20 }, (_, n) => `${prefix}${n}`)
      for (const key of keys) await client.set(key, key)
      for (const key of keys) {
        expect(await client.get(key)).to.equal(key)
        const { admin } = await topology().masterOf(key)
        expect(await admin.get(key)).to.equal(key)
      }
      const found = await Promise.all((await topology().masters()).map(({ admin }) => scan(admin, prefix)))
      expect(found.flat()).to.have.members(keys)
      await client.close()
    })
  })
})

describe('Test support: failover', () => {
  it('follows Sentinel to the promoted replica', async () => {
    const sentinel = await startTopology('sentinel', { sentinels: 3, failover: true })
    const client = await sentinel.connect()
    await client.set('key', 'before')
    const [master] = await sentinel.masters()
    await eventually('the replica to have the key', () =>
      Promise.all(sentinel.nodes.map(({ admin }) => admin.get('key'))).then((values) =>
        values.every(Boolean),
      ),
    )
    await master?.server.kill()
    const promoted = await sentinel.masterOf('key')
    expect(promoted.server.port).to.not.equal(master?.server.port)
    expect(await eventually('the client to follow', () => client.get('key').then(String))).to.equal('before')
    await client.close()
    await sentinel.stop()
  })

  it('follows a cluster to the promoted replica', async () => {
    const cluster = await startTopology('cluster', { replicas: 1, failover: true })
    expect(await cluster.masters()).to.have.length(3)
    const master = await cluster.masterOf('key')
    await master.server.kill()
    const promoted = await eventually('another master', async () => {
      const now = await cluster.masterOf('key')
      return now !== master && now
    })
    expect(await cluster.masters())
      .to.include(promoted)
      .and.to.have.length(3)
    await cluster.stop()
  })
})

describe('Test support: resharding', () => {
  onEveryTopology(
    (topology) => {
      it('moves a slot with its keys to another master, and clients follow', async () => {
        const client = await topology().connect()
        const key = `${freshPrefixes().prefix}key`
        await client.set(key, 'before')
        const from = await topology().masterOf(key)
        const to = (await topology().masters()).find((node) => node !== from)
        if (!to) throw new Error('There is only one master')
        await moveSlot(topology(), key, to, { meanwhile: () => client.set(key, 'meanwhile') })
        expect(await topology().masterOf(key)).to.equal(to)
        expect([await to.admin.get(key), await client.get(key)]).to.deep.equal(['meanwhile', 'meanwhile'])
        await client.close()
      })
    },
    ['cluster'],
  )
})

describe('Test support: a client that pauses, fails or dies', () => {
  const script = { source: "return redis.call('INCR', KEYS[1])", sha1: '' }

  onEveryTopology((topology) => {
    let real: AnyClient
    let key: string

    beforeEach(async () => {
      real = await topology().connect()
      key = `${freshPrefixes().prefix}key`
    })

    afterEach(() => real.close())

    it('holds a script call that it recognises until it is released', async () => {
      const { client, reached, release, calls } = pauseBefore(real, runs(script))
      await client.set(key, '1')
      const held = client.eval(script.source, { keys: [key] })
      expect((await reached).command).to.equal('eval')
      expect(await client.get(key)).to.equal('1')
      release()
      expect(await held).to.equal(2)
      expect(calls.map(({ command }) => command)).to.deep.equal(['set', 'eval', 'get'])
    })

    it('holds the reply of the second command', async () => {
      const { client, reached, release } = pauseAfter(real, 2)
      await client.set(key, '1')
      const held = client.set(key, '2')
      await reached
      expect(await real.get(key)).to.equal('2')
      release()
      await held
    })

    it('fails once before, and once after, Redis has done the command', async () => {
      const refused = failBefore(real, 1, new Error('refused'))
      expect(await rejection(refused.client.set(key, '1'))).to.equal('refused')
      expect(await real.get(key)).to.equal(null)
      const late = failAfter(refused.client, ({ command }) => command === 'set', new Error('too late'))
      expect(await rejection(late.client.set(key, '2'))).to.equal('too late')
      expect(await late.client.get(key)).to.equal('2')
    })

    it('dies before or after a command, and sends nothing any more', async () => {
      const before = dieBefore(real, 1)
      expect(await rejection(before.client.set(key, '1'))).to.include('died')
      const after = dieAfter(real, 1)
      expect(await rejection(after.client.set(key, '2'))).to.include('died')
      expect(await rejection(after.client.set(key, '3'))).to.include('died')
      expect([before.dead, after.dead]).to.deep.equal([true, true])
      expect(await real.get(key)).to.equal('2')
    })
  })

  onEveryTopology(
    (topology) => {
      it('sees the commands of the clients that a cluster returns', async () => {
        const real = await topology().connect()
        const { client, calls } = watch(real as ClusterClient)
        for (const master of client.masters) await (await client.nodeClient(master)).scan('0')
        expect(calls.map(({ command }) => command)).to.deep.equal(['scan', 'scan', 'scan'])
        await real.close()
      })
    },
    ['cluster'],
  )
})

async function rejection(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'no rejection',
    (error: Error) => error.message,
  )
}

async function scan(client: AdminClient, prefix: string): Promise<string[]> {
  const found: string[] = []
  for await (const keys of client.scanIterator({ MATCH: `${prefix}*` })) found.push(...keys)
  return found
}

/** Whether a Redis answers on this port. */
async function answers(port: number, within = ANSWERS_WITHIN_MS): Promise<boolean> {
  const socket = connectSocket({ host: '127.0.0.1', port })
  socket.setTimeout(within, () => socket.destroy(new Error('no answer')))
  try {
    socket.write('PING\r\n')
    const [reply] = await once(socket, 'data')
    return String(reply) === '+PONG\r\n'
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
