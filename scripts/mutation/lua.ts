/**
 * Mutation testing of the Lua in `src/redis/scripts/`, which is text to other tools:
 *
 *     npm run mutation:lua                 all scripts
 *     npm run mutation:lua -- write page   the scripts of these names, or mutants of these numbers
 *     npm run mutation:lua -- --list       the mutants, without running them
 *
 * Each mutant changes one place of one line, in every script that has the line's part. A worker runs the tests of a
 * changed script in one process, until the first failure. If a mutant ends the process or hangs it, the next worker
 * continues after it.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { findRedis } from '../../test/support/redis-server.ts'
import { type LuaMutant, luaMutants } from './lua-mutants.ts'

export type Message = { started: number } | { mutant: number; killedBy: string | null } | { broken: string }
type Verdict = { killedBy: string | null }

const HANGS_AFTER_MS = 120_000
const report = 'reports/mutation/lua.json'

const names = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
const mutants = luaMutants().filter(
  ({ id, scripts }) =>
    names.length === 0 || names.includes(`${id}`) || scripts.some((script) => names.includes(script)),
)

mkdirSync(dirname(report), { recursive: true })
if (process.argv.includes('--list')) for (const mutant of mutants) console.log(describe(mutant))
else process.exitCode = await runAll()

async function runAll(): Promise<number> {
  const redis = await findRedis()
  process.env.REDIS_URL = redis.url
  try {
    return await judgeAll()
  } finally {
    await redis.stop()
  }
}

async function judgeAll(): Promise<number> {
  const verdicts = new Map<number, Verdict>()
  while (verdicts.size < mutants.length) {
    const pending = mutants.filter(({ id }) => !verdicts.has(id)).map(({ id }) => id)
    await runWorker(pending, (id, verdict) => {
      verdicts.set(id, verdict)
      const mutant = mutants.find((each) => each.id === id) as LuaMutant
      const what = verdict.killedBy === null ? 'SURVIVED' : 'killed'
      console.log(
        `${verdicts.size}/${mutants.length} ${what} ${describe(mutant)}\n    ${verdict.killedBy ?? ''}`,
      )
    })
  }
  const survivors = mutants.filter(({ id }) => verdicts.get(id)?.killedBy === null)
  const killed = mutants.length - survivors.length
  console.log(`\n${killed} of ${mutants.length} killed: ${((100 * killed) / mutants.length).toFixed(1)} %`)
  for (const mutant of survivors) console.log(`survived: ${describe(mutant)}`)
  writeFileSync(report, JSON.stringify(mutants.map((mutant) => ({ ...mutant, ...verdicts.get(mutant.id) }))))
  return survivors.length > 0 ? 1 : 0
}

/** Resolves when the worker has ended, with or without a verdict on all of them. */
async function runWorker(ids: number[], judged: (id: number, verdict: Verdict) => void): Promise<void> {
  const { TEST_TOPOLOGIES = 'server,cluster' } = process.env
  const worker = fork('scripts/mutation/lua-worker.ts', ids.map(String), {
    execArgv: ['--import', 'tsx'],
    env: { ...process.env, TEST_TOPOLOGIES, TEST_TOPOLOGIES_STAY: '1' },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  let current: number | undefined
  let broken: string | undefined
  let timer: NodeJS.Timeout | undefined
  worker.on('message', (message: Message) => {
    clearTimeout(timer)
    if ('broken' in message) broken = message.broken
    else if ('started' in message) {
      current = message.started
      timer = setTimeout(() => worker.kill('SIGTERM'), HANGS_AFTER_MS)
    } else {
      current = undefined
      judged(message.mutant, { killedBy: message.killedBy })
    }
  })
  const [code, signal] = await once(worker, 'exit')
  clearTimeout(timer)
  if (broken !== undefined) throw new Error(`Without any mutant a test fails: ${broken}`)
  if (current !== undefined) judged(current, { killedBy: `the process ended: ${signal ?? code}` })
  else if (code !== 0) throw new Error(`The worker ended between two mutants: ${signal ?? code}`)
}

function describe({ id, scripts, line, from, to }: LuaMutant): string {
  const where = scripts.length > 3 ? `${scripts.length} scripts` : scripts.join(', ')
  return `#${id} ${where}: ${line}   [ ${from} -> ${to || '(nothing)'} ]`
}
