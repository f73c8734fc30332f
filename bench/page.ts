import { startChild } from './support/child.ts'
import { loadPage } from './support/load-page.ts'
import type { PageServer, Variant } from './support/page-server.ts'
import { type Benchmark, type Context, ms, perSecond, type Row, times } from './support/result.ts'
import { withServer } from './support/server.ts'
import { quantile, spread } from './support/statistics.ts'

/** Of one variant in one round. */
interface Turn {
  perSecond: number
  /** CPU time of the server's process for each request, in µs. */
  cpu: number
  p50: number
  p99: number
}

const REQUESTS = 1500
const BASELINE: Variant = { name: 'connect-redis' }
const OURS: Variant[] = [
  { name: 'with defaults', options: {} },
  { name: 'with touchInterval: 60', options: { touchInterval: 60 } },
]

export const benchmark: Benchmark = {
  about:
    'A page over HTTP, served by Express and express-session from a process of its own, which reads the session and changes ' +
    'nothing; the load comes from another process. All variants run in one server process, in turn. The ratio is that of the ' +
    'requests per second; latencies are those under full load.',
  run: (context) =>
    withServer(async ({ url }) => {
      const child = startChild(new URL('./support/page-server.ts', import.meta.url))
      try {
        const { build, against } = context
        const variants = [BASELINE, ...OURS]
        const server = await child.ask<PageServer>({ start: { url, builds: { build, against }, variants } })
        const turns = await measure(server, () => child.ask<{ cpu: number }>({ usage: true }), context)
        return OURS.map(({ name }, n) => row(name, turns[0] as Turn[], turns[n + 1]))
      } finally {
        await child.stop()
      }
    }),
}

/** Turns of each variant; none of one that this build does not have. */
async function measure(
  { ports }: PageServer,
  usage: () => Promise<{ cpu: number }>,
  { rounds, quick }: Context,
): Promise<(Turn[] | undefined)[]> {
  const turns = ports.map((port): Turn[] | undefined => (port === null ? undefined : []))
  const requests = quick ? 200 : REQUESTS
  for (let round = -1; round < Math.ceil(rounds / 12); round++) {
    const order = [...ports.entries()]
    if (round % 2 === 0) order.reverse()
    for (const [n, port] of order) {
      if (port === null) continue
      const before = await usage()
      const { latencies, seconds } = await loadPage(port, requests)
      const { cpu } = await usage()
      if (round < 0) continue
      turns[n]?.push({
        perSecond: latencies.length / seconds,
        cpu: (cpu - before.cpu) / latencies.length,
        p50: quantile(latencies, 0.5),
        p99: quantile(latencies, 0.99),
      })
    }
  }
  return turns
}

function row(what: string, baseline: Turn[], ours: Turn[] | undefined): Row {
  if (!ours) return { what, figures: { 'requests, ours': 'NOT MEASURED: this build has no such option' } }
  const ratio = (of: keyof Turn) => spread(ours.map((turn, n) => turn[of] / (baseline[n] as Turn)[of]))
  const inverse = (of: keyof Turn) => spread(ours.map((turn, n) => (baseline[n] as Turn)[of] / turn[of]))
  const median = (turns: Turn[], of: keyof Turn) =>
    quantile(
      turns.map((turn) => turn[of]),
      0.5,
    )
  return {
    what,
    ratio: ratio('perSecond'),
    figures: {
      'by server CPU': times(inverse('cpu')),
      'by p50': times(inverse('p50')),
      'by p99': times(inverse('p99')),
      'requests, connect-redis': perSecond(median(baseline, 'perSecond')),
      'requests, ours': perSecond(median(ours, 'perSecond')),
      'p50, connect-redis': ms(median(baseline, 'p50')),
      'p50, ours': ms(median(ours, 'p50')),
      'p99, connect-redis': ms(median(baseline, 'p99')),
      'p99, ours': ms(median(ours, 'p99')),
    },
  }
}
