/**
 * Reindexes sessions of connect-redis while an app keeps writing. Measures the time, the growth of the process, and how
 * long another client of the same Redis waits. It also measures that wait while nothing happens. Fails beyond the
 * limits.
 *
 *     npm run bench:reindex                              200,000 sessions
 *     REINDEX_SESSIONS=1000000 npm run bench:reindex
 *
 * The benchmark uses its own server. The app's own waits are part of the pauses, because it shares the processors.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { fillLikeConnectRedis, LiveApp, wronglyIndexed } from '../../test/docs/support/live-app.ts'
import type { TestClient } from '../../test/support/hooks.ts'
import { startChild } from '../support/child.ts'
import type { Pauses } from '../support/pinger.ts'
import { withServer } from '../support/server.ts'
import type { Reindexed } from './reindexer.ts'

const SESSIONS = Number(process.env.REINDEX_SESSIONS ?? 200_000)
const IDLE_MS = 5000
/** As `npm start` has it in examples/reindex. Without it V8 lets garbage pile up before it collects, however many sessions. */
const HEAP_MIB = 64
const MAX_GROWTH_MIB = 64
const MAX_PAUSE_MS = 25
const MAX_PAUSE_RATIO = 4

const prefixes = { prefix: 'sess:', userPrefix: 'user:' }
const options = { ...prefixes, sessions: SESSIONS, users: SESSIONS / 4 }

await withServer(async (server) => {
  const client = server.client as unknown as TestClient
  await fillLikeConnectRedis(client, options)
  const pinger = startChild(new URL('../support/pinger.ts', import.meta.url))
  const reindexer = startChild(new URL('./reindexer.ts', import.meta.url), [
    '--expose-gc',
    `--max-old-space-size=${HEAP_MIB}`,
  ])
  const app = new LiveApp(client, options)
  try {
    await pinger.ask({ start: server.url, key: 'sess:old-0' })
    await sleep(IDLE_MS)
    const idle = await pinger.ask<Pauses>({})
    app.start()
    await sleep(IDLE_MS)
    const busy = await pinger.ask<Pauses>({})
    await client.configSet({ 'slowlog-log-slower-than': '500', 'slowlog-max-len': '10000' })
    const result = await reindexer.ask<Reindexed>({ url: server.url, ...prefixes })
    const during = await pinger.ask<Pauses>({})
    const { operations } = await app.stop()
    const slow = (await client.sendCommand(['SLOWLOG', 'GET', '-1'])) as unknown as [number, number, number][]
    const slowest = Math.max(0, ...slow.map(([, , microseconds]) => microseconds)) / 1000
    const { live, wrong } = await wronglyIndexed(client, prefixes)
    report({
      version: server.version,
      idle,
      busy,
      during,
      result,
      operations,
      live: live.length,
      wrong: wrong.length,
      slowest,
    })
  } finally {
    await app.stop()
    await Promise.all([pinger.stop(), reindexer.stop()])
  }
})

type Measured = {
  version: string
  idle: Pauses
  busy: Pauses
  during: Pauses
  result: Reindexed
  operations: number
  live: number
  wrong: number
  /**
   * The longest time that the server needed for one command, in ms. This is its part of a wait, without the rest of the
   * machine.
   */
  slowest: number
}

function report({ version, idle, busy, during, result, operations, live, wrong, slowest }: Measured): void {
  const growth = result.growth / 2 ** 20
  const allowed = Math.max(MAX_PAUSE_MS, MAX_PAUSE_RATIO * idle.longest)
  const rows = [
    ['sessions scanned, indexed', `${result.scanned}, ${result.indexed}`],
    ['time', `${(result.milliseconds / 1000).toFixed(1)} s`],
    ['writes of the app meanwhile and 5 s before', String(operations)],
    ['live sessions afterwards, of which missing in the index or under a wrong expiry', `${live}, ${wrong}`],
    ['growth of memory at its peak', `${growth.toFixed(1)} MiB (limit ${MAX_GROWTH_MIB})`],
    ['longest wait of another client: idle', `${idle.longest.toFixed(1)} ms`],
    ['… while the app writes', `${busy.longest.toFixed(1)} ms`],
    [
      '… while the app writes and reindex runs',
      `${during.longest.toFixed(1)} ms (limit ${allowed.toFixed(1)})`,
    ],
    ['longest command on the server meanwhile', `${slowest.toFixed(1)} ms`],
  ]
  console.log(`${version}, Node ${process.version}\n\n| reindex | |\n| --- | --- |`)
  for (const [what, value] of rows) console.log(`| ${what} | ${value} |`)
  const failures = [
    wrong > 0 && 'the index is wrong',
    growth > MAX_GROWTH_MIB && 'memory grew beyond the limit',
    during.longest > allowed && 'another client waited beyond the limit',
  ].filter(Boolean)
  for (const failure of failures) console.error(failure)
  if (failures.length > 0) process.exitCode = 1
}
