/** `npm start`: the example as a process, and its output if it cannot start. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { eventually } from '../support/eventually.ts'
import { redisUrl } from '../support/hooks.ts'
import { freePortCandidate } from '../support/spawn-server.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

const started: ChildProcess[] = []

/** The command itself: npm in between would not pass on how the process ended. */
function start(env: NodeJS.ProcessEnv) {
  const { scripts } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'))
  const [program, ...args] = scripts.start.split(' ')
  expect(program).to.equal('node')
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: { ...process.env, TEST_REDIS: '', REDIS_URL: redisUrl(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  started.push(child)
  const said = text(child.stdout)
  const complained = text(child.stderr)
  const ended = async () => {
    const [code] = child.exitCode === null ? await once(child, 'exit') : [child.exitCode]
    return { code, said: await said, complained: await complained }
  }
  return { child, ended }
}

/** Starts the example on a free port. Resolves to its answer to a first request. */
async function serving() {
  for (;;) {
    const port = freePortCandidate()
    const { child, ended } = start({ PORT: String(port) })
    const answered = eventually('an answer', () => fetch(`http://localhost:${port}/sign-in`))
    const taken = ended().then(({ complained }) => complained.startsWith(`Cannot listen on port ${port}`))
    const page = await Promise.race([answered, taken])
    if (page instanceof Response) return { port, child, ended, page }
    answered.catch(() => {})
    if (!page) throw new Error(`npm start ended: ${(await ended()).complained}`)
  }
}

describe('npm start', function () {
  this.timeout('5m')

  afterEach(() => {
    for (const child of started.splice(0)) child.kill('SIGKILL')
  })

  it('serves the example on PORT, with the Redis of REDIS_URL, and ends at SIGTERM', async () => {
    const { port, child, ended, page } = await serving()
    expect(page.status).to.equal(200)
    expect(await page.text()).to.include('analytical engine')
    child.kill('SIGTERM')
    const { code, said, complained } = await ended()
    expect({ code, complained }).to.deep.equal({ code: 0, complained: '' })
    expect(said)
      .to.include(`Uses Redis at ${new URL(redisUrl()).host}, named by REDIS_URL`)
      .and.to.include(`Open http://localhost:${port} in two browsers`)
  })

  it('prints in one line why it cannot start', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const taken = String((other.address() as AddressInfo).port)
    const starts = [
      [{ PORT: taken }, `Cannot listen on port ${taken}: `],
      [{ PORT: 'http' }, 'PORT is "http", which is not a port'],
      [{ REDIS_URL: 'redis://127.0.0.1:1' }, 'No connection to Redis at 127.0.0.1:1: '],
    ] as const
    try {
      for (const [env, sentence] of starts) {
        const { code, complained } = await start(env).ended()
        expect(code).to.equal(1)
        expect(complained).to.match(/^[^\n]+\n$/)
        expect(complained.startsWith(sentence), complained).to.equal(true)
      }
    } finally {
      other.close()
    }
  })
})
