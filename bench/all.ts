import { setTimeout as sleep } from 'node:timers/promises'
import { startChild } from './support/child.ts'
import { fill, PREFIX } from './support/fill.ts'
import type { Pauses } from './support/pinger.ts'
import { type Benchmark, type Context, count, mebibytes, ms, type Row } from './support/result.ts'
import { withServer } from './support/server.ts'
import { quantile } from './support/statistics.ts'
import type { Walk } from './support/walker.ts'

const SESSIONS = 1_000_000
const QUICK_SESSIONS = 20_000
const TURNS = 3
/** About as long as a walk takes. The longest pause found grows with the time of the search. */
const IDLE_MS = 15_000

const ways = [
  { what: 'connect-redis `all()`', store: 'connect-redis', method: 'all' },
  { what: 'redis-user-sessions `all()`', store: 'ours', method: 'all' },
  { what: 'redis-user-sessions `sessions()`', store: 'ours', method: 'sessions' },
] as const

export const benchmark: Benchmark = {
  about:
    'Visiting every session, each turn in a process of its own: time, by how much the memory of the process grows (resident, ' +
    'at its peak), and the longest that another client, in a third process, waits for a GET meanwhile. Medians of the turns.',
  run: (context) => withServer(({ client, url }) => visit(client, url, context)),
}

async function visit(client: Parameters<typeof fill>[0], url: string, context: Context): Promise<Row[]> {
  const many = context.quick ? QUICK_SESSIONS : SESSIONS
  context.say(`filling with ${many.toLocaleString('en-US')} sessions`)
  await fill(client, { many, name: 'user-' })
  const pinger = startChild(new URL('./support/pinger.ts', import.meta.url))
  try {
    await pinger.ask({ start: url, key: `${PREFIX}none` })
    const idle: Pauses[] = []
    const found = ways.map((): { walk: Walk; pauses: Pauses }[] => [])
    for (let turn = 0; turn < TURNS; turn++) {
      await pinger.ask({ reset: true })
      await sleep(IDLE_MS)
      idle.push(await pinger.ask<Pauses>({ reset: true }))
      for (const [n, way] of ways.entries()) {
        context.say(way.what)
        const walker = startChild(new URL('./support/walker.ts', import.meta.url), ['--expose-gc'])
        try {
          await walker.ask({ connect: url, build: context.build, store: way.store })
          await pinger.ask({ reset: true })
          const walk = await walker.ask<Walk>({ method: way.method })
          const pauses = await pinger.ask<Pauses>({ reset: true })
          found[n]?.push({ walk, pauses })
          const growth = (walk.growth / 2 ** 20).toFixed(0)
          context.say(
            `${walk.milliseconds.toFixed(0)} ms, grew by ${growth} MiB, longest pause ${pauses.longest.toFixed(1)} ms`,
          )
          if (walk.sessions !== many)
            throw new Error(`${way.what} found ${walk.sessions} sessions instead of ${many}`)
        } finally {
          await walker.stop()
        }
      }
    }
    return [row('nothing (idle)', undefined, idle), ...ways.map(({ what }, n) => rowOf(what, found[n] ?? []))]
  } finally {
    await pinger.stop()
  }
}

function rowOf(what: string, turns: { walk: Walk; pauses: Pauses }[]): Row {
  return row(
    what,
    turns.map(({ walk }) => walk),
    turns.map(({ pauses }) => pauses),
  )
}

function row(what: string, walks: Walk[] | undefined, pauses: Pauses[]): Row {
  const median = <T>(of: readonly T[], value: (item: T) => number) => quantile(of.map(value), 0.5)
  return {
    what,
    figures: {
      ...(walks && {
        sessions: count(median(walks, (walk) => walk.sessions)),
        time: ms(median(walks, (walk) => walk.milliseconds)),
        'growth of memory': mebibytes(median(walks, (walk) => walk.growth)),
      }),
      'longest pause of another client': ms(median(pauses, ({ longest }) => longest)),
      'its 99.9th percentile': ms(median(pauses, ({ p999 }) => p999)),
    },
  }
}
