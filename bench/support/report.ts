/** Results as Markdown: one table of each benchmark for each environment, and a summary of the ratios of all. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Environment } from './environment.ts'
import { plot } from './plot.ts'
import type { Figure, Row } from './result.ts'
import type { Spread } from './statistics.ts'

export interface Result {
  name: string
  about: string
  environment: Environment
  rows: Row[]
}

const RESULTS = join(import.meta.dirname, '../results')
const DATA = join(RESULTS, 'data')
const GENERATED = '<!-- Written by `npm run bench`; do not edit. -->'

/** Keeps what was measured, for the reports to be made from. */
export async function saveResult(
  name: string,
  about: string,
  environment: Environment,
  rows: Row[],
): Promise<void> {
  const result: Result = { name, about, environment, rows }
  await mkdir(DATA, { recursive: true })
  await writeFile(join(DATA, `${name}.${environment.id}.json`), `${JSON.stringify(result, undefined, 2)}\n`)
}

/** Makes all reports anew from the results of all environments. */
export async function writeReports(): Promise<void> {
  const results = await loadResults()
  for (const [name, ofOne] of groups(results, (result) => result.name)) {
    await writeFile(join(RESULTS, `${name}.md`), reportOf(name, ofOne))
  }
  await writeFile(join(RESULTS, 'README.md'), summary(results))
  for (const [id, ofOne] of groups(results, (result) => result.environment.id)) {
    await writeFile(join(RESULTS, `${id}.svg`), plot(ofOne))
  }
}

async function loadResults(): Promise<Result[]> {
  const files = (await readdir(DATA)).filter((file) => file.endsWith('.json')).sort()
  return Promise.all(
    files.map(async (file) => JSON.parse(await readFile(join(DATA, file), 'utf8')) as Result),
  )
}

function reportOf(name: string, results: readonly Result[]): string {
  const parts = results.map(
    ({ environment, rows }) =>
      `## ${environment.title}\n\n${table(rows)}\n\n` +
      `Absolute figures are those of this machine: ${environment.machine}; ${versions(environment)}.\n`,
  )
  return [GENERATED, `# ${name}`, results[0]?.about ?? '', legend, ...parts].join('\n\n')
}

const legend =
  'Ratios are medians over paired rounds, with the quartiles in brackets; 1.10x is 10 % faster than connect-redis, 0.90x 10 % slower.'

/** The ratios of all benchmarks, an environment in each column. */
function summary(results: readonly Result[]): string {
  const environments = [...groups(results, (result) => result.environment.title).keys()]
  const lines: string[][] = []
  for (const [name, ofOne] of groups(results, (result) => result.name)) {
    const whats = new Set(
      ofOne.flatMap(({ rows }) => rows.filter(({ ratio }) => ratio).map(({ what }) => what)),
    )
    for (const what of whats) {
      const cells = environments.map((title) => {
        const result = ofOne.find(({ environment }) => environment.title === title)
        const ratio = result?.rows.find((row) => row.what === what)?.ratio
        return ratio ? formatRatio(ratio) : ''
      })
      lines.push([`[${name}](${name}.md)`, what, ...cells])
    }
  }
  const plots = [...groups(results, (result) => result.environment.id).keys()].map(
    (id) => `![${id}](${id}.svg)`,
  )
  const intro = `How many times as fast as connect-redis, on the same node-redis client and the same server.\n\n${legend}`
  return [GENERATED, '# Results', intro, markdown(['', '', ...environments], lines), ...plots, ''].join(
    '\n\n',
  )
}

/** The rows of one result as a Markdown table. */
export function table(rows: readonly Row[]): string {
  const names = [...new Set(rows.flatMap(({ figures }) => Object.keys(figures)))]
  const hasRatio = rows.some(({ ratio }) => ratio)
  const head = ['', ...(hasRatio ? ['ratio'] : []), ...names]
  const lines = rows.map(({ what, ratio, figures }) => [
    what,
    ...(hasRatio ? [ratio ? formatRatio(ratio) : ''] : []),
    ...names.map((name) => formatFigure(figures[name] ?? '')),
  ])
  return markdown(head, lines)
}

function markdown(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, n) => (n === 0 ? '---' : '---:'))), ...lines.map(line)].join('\n')
}

export function formatRatio({ median, low, high }: Spread): string {
  return `**${formatTimes(median)}x** (${formatTimes(low)}–${formatTimes(high)})`
}

function formatTimes(times: number): string {
  if (times >= 100) return Math.round(times).toLocaleString('en-US')
  return times.toFixed(times >= 10 ? 1 : 2)
}

function formatFigure(figure: Figure): string {
  if (typeof figure === 'string') return figure
  if ('times' in figure) return formatRatio(figure.times)
  const { value, unit } = figure
  if (unit === 'x') return `${formatTimes(value)}x`
  const text = value >= 100 ? Math.round(value).toLocaleString('en-US') : String(Number(value.toPrecision(3)))
  return unit === '/s' || unit === '' ? `${text}${unit}` : `${text} ${unit}`
}

function versions({ versions }: Environment): string {
  return Object.entries(versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ')
}

function groups<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const found = new Map<string, T[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = found.get(key)
    if (group) group.push(item)
    else found.set(key, [item])
  }
  return found
}
