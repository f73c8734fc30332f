/**
 * Runs the benchmarks that are named, or all, and writes what they measured to bench/results.
 *
 *     npm run bench                          all of them, some minutes
 *     npm run bench -- get save              two of them
 *     npm run bench -- --quick               all, but too few and too small to mean anything
 *     npm run bench -- get --against <dir>   with another build of this package instead of connect-redis; nothing is written
 *
 * `REDIS_SERVER=/path/to/redis-server` chooses the server.
 */
import { parseArgs } from 'node:util'
import { benchmarks } from './benchmarks.ts'
import { DEFAULT_BUILD } from './support/contenders.ts'
import { environment } from './support/environment.ts'
import { saveResult, writeReports } from './support/report.ts'
import type { Context } from './support/result.ts'
import { table } from './support/tables.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string' },
    concurrency: { type: 'string', default: '32' },
    quick: { type: 'boolean', default: false },
    build: { type: 'string', default: DEFAULT_BUILD },
    against: { type: 'string' },
    'dry-run': { type: 'boolean', default: false },
  },
})

const context: Context = {
  rounds: positive('rounds', values.rounds ?? (values.quick ? '5' : '301')),
  concurrency: positive('concurrency', values.concurrency),
  quick: values.quick,
  build: values.build,
  against: values.against,
  say: (progress) => process.stderr.write(`  ${progress}\n`),
}
const writes = !values.quick && !values['dry-run'] && values.against === undefined

const names = positionals.length > 0 ? positionals : Object.keys(benchmarks)
const unknown = names.filter((name) => !(name in benchmarks))
if (unknown.length > 0) {
  throw new Error(
    `There is no benchmark ${unknown.join(', ')}; there are ${Object.keys(benchmarks).join(', ')}`,
  )
}

const where = await environment()
process.stderr.write(`${where.title}\n`)
for (const name of names) {
  process.stderr.write(`${name}\n`)
  const { benchmark } = await (benchmarks[name] as (typeof benchmarks)[string])()
  const rows = await benchmark.run(context)
  process.stdout.write(`\n${table(rows)}\n`)
  if (writes) await saveResult(name, benchmark.about, where, rows)
}
if (writes) await writeReports()
else process.stderr.write('Nothing was written to bench/results\n')

function positive(name: string, text: string): number {
  const number = Number(text)
  if (!Number.isInteger(number) || number < 1)
    throw new Error(`--${name} must be a positive integer, not ${text}`)
  return number
}
