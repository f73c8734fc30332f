/** Results as Markdown: one table of each benchmark for each environment, and a summary of the ratios of all. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Environment } from './environment.ts'
import { writePages } from './pages.ts'
import { plot } from './plot.ts'
import type { Result, Row } from './result.ts'
import { formatRatio, groups, markdown, table } from './tables.ts'

const RESULTS = join(import.meta.dirname, '../results')
const DATA = join(RESULTS, 'data')
const GENERATED = '<!-- Written by `npm run bench`; do not edit. -->'

/** Saves a result, from which the reports are made. */
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

/** Writes all reports again from the results of all environments, and the pages that show some of their figures. */
export async function writeReports(): Promise<void> {
  const results = await loadResults()
  for (const [name, ofOne] of groups(results, (result) => result.name)) {
    await writeFile(join(RESULTS, `${name}.md`), reportOf(name, ofOne))
  }
  await writeFile(join(RESULTS, 'README.md'), summary(results))
  for (const [id, ofOne] of groups(results, (result) => result.environment.id)) {
    await writeFile(join(RESULTS, `${id}.svg`), plot(ofOne))
  }
  await writePages(results)
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

function versions({ versions }: Environment): string {
  return Object.entries(versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ')
}
