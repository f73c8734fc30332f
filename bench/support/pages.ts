/** Writes the figures of README.md and docs/benchmarks.md between their `<!-- bench -->` marks. */
import { fillMarked } from './marked.ts'
import type { Result } from './result.ts'
import type { Spread } from './statistics.ts'
import { formatRatio, groups, markdown } from './tables.ts'

/** The rows of the pages: a benchmark's name, one of its rows, and its name for readers. */
const HEADLINES = [
  ['get', 'records of 300 B', 'load a session'],
  ['touch', 'records of 300 B', 'touch, at every request (`touchInterval: 0`)'],
  ['save', 'records of 2000 B', 'save a changed session'],
  ['sign-in', 'sign-in', 'sign in'],
  ['page', 'with defaults', 'a page over HTTP that changes nothing'],
  ['user-sessions', '5 sessions beside 1,000', 'list 5 sessions of a user, beside 1,000 others'],
  ['destroy-user', '500 sessions beside 1,000', 'sign out 500 sessions of a user, beside 1,000 others'],
] as const

/** The rows of the README's table: what most requests are, what gets slower, and what an index is for. */
const IN_README: readonly string[] = ['page', 'sign-in', 'user-sessions']
/** Its server. */
const SHOWN = 'Redis 8.6'
/** The environment of the README's plot. */
const PLOTTED = 'node-24-redis-8.6'

const legend = [
  'The figures say how many times as fast as connect-redis it is, in one run: above 1 is faster. Each is a median over',
  'paired rounds, with the quartiles in brackets. For load, touch, save and sign-in, each store has a process of its own.',
].join('\n')

export async function writePages(results: readonly Result[]): Promise<void> {
  const servers = [...groups(results, serverOf)]
  const shown = servers.find(([server]) => server.startsWith(SHOWN))
  if (shown) {
    const [server, of] = shown
    const table = headlines(of.filter(({ name }) => IN_README.includes(name)))
    const plot = `![All ratios on Node 24, with both stores in one process](bench/results/${PLOTTED}.svg)`
    await fillMarked('README.md', 'bench', [`${legend}\nOn ${server}:`, table, plot])
  }
  const parts = servers.flatMap(([server, of]) => [`## ${server}`, headlines(of)])
  await fillMarked('docs/benchmarks.md', 'bench', [legend, ...parts])
}

function serverOf({ environment }: Result): string {
  return environment.title.split(', ')[1] ?? environment.title
}

/** The headlines of one server, a Node in each column. */
function headlines(results: readonly Result[]): string {
  const nodes = [...groups(results, nodeOf).keys()].sort()
  const lines = HEADLINES.map(([name, what, label]) => {
    const cells = nodes.map((node) => {
      const result = results.find((each) => each.name === name && nodeOf(each) === node)
      const ratio = result && ratioOf(result, what)
      return ratio ? formatRatio(ratio) : ''
    })
    return [label, ...cells]
  })
  const measured = lines.filter(([, ...cells]) => cells.some((cell) => cell !== ''))
  return markdown(['', ...nodes], measured)
}

function nodeOf({ environment }: Result): string {
  return environment.title.split(/[.,]/)[0] as string
}

/** Of processes of their own, if the benchmark has that. */
function ratioOf({ rows }: Result, what: string): Spread | undefined {
  const row = rows.find((each) => each.what === what)
  const apart = row?.figures['in processes of their own']
  return typeof apart === 'object' && 'times' in apart ? apart.times : row?.ratio
}
