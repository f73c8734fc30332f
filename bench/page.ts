import { type Child, startChild } from './support/child.ts'
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
  { name: 'with touchInterval: 0', options: { touchInterval: 0 } },
]

export const benchmark: Benchmark = {
  about:
    'A page over HTTP, served by Express and express-session, which reads the session and changes nothing. Each variant has a ' +
    'server process of its own, and they take turns; the load comes from another process. The ratio is that of the requests ' +
    'per second; latencies are those under full load.',
  run: (context) =>
    withServer(async ({ url }) => {
      const servers: Served[] = []
      try {
        for (const [n, variant] of [BASELINE, ...OURS].entries()) {
          servers.push(await serve(variant, url, `page-${n}:`, context))
        }
        await measure(servers, context)
        const [baseline, ...ours] = servers.map(({ turns }) => turns)
        return OURS.map(({ name }, n) => row(name, baseline as Turn[], ours[n] as Turn[]))
      } finally {
        await Promise.all(servers.map(({ child }) => child.stop()))
      }
    }),
}

/** A server process of one variant. `port` is `null` if this build does not have the option. */
interface Served extends PageServer {
  child: Child
  turns: Turn[]
}

async function serve(variant: Variant, url: string, prefix: string, context: Context): Promise<Served> {
  const { build, against } = context
  const child = startChild(new URL('./support/page-server.ts', import.meta.url))
  const start = { url, builds: { build, against }, prefix, variant }
  return { ...(await child.ask<PageServer>({ start })), child, turns: [] }
}

async function measure(servers: readonly Served[], { rounds, quick }: Context): Promise<void> {
  const requests = quick ? 200 : REQUESTS
  for (let round = -1; round < Math.ceil(rounds / 12); round++) {
    for (const { child, port, turns } of round % 2 === 0 ? servers.toReversed() : servers) {
      if (port === null) continue
      const before = await child.ask<{ cpu: number }>({ usage: true })
      const { latencies, seconds } = await loadPage(port, requests)
      const { cpu } = await child.ask<{ cpu: number }>({ usage: true })
      if (round < 0) continue
      turns.push({
        perSecond: latencies.length / seconds,
        cpu: (cpu - before.cpu) / latencies.length,
        p50: quantile(latencies, 0.5),
        p99: quantile(latencies, 0.99),
      })
    }
  }
}

function row(what: string, baseline: Turn[], ours: Turn[]): Row {
  if (ours.length === 0)
    return { what, figures: { 'requests, ours': 'NOT MEASURED: this build has no such option' } }
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
