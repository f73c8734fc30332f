/** Draws the ratios of one environment: a dot at the median, a line from quartile to quartile, and a line at 1. */
import type { Result } from './result.ts'
import type { Spread } from './statistics.ts'

interface Mark {
  label: string
  ratio: Spread
}

const LABEL_WIDTH = 320
const WIDTH = 860
const ROW_HEIGHT = 22
const TOP = 44
/** Larger ratios are only in the tables. */
const LARGEST = 4
const TICKS = [0.5, 0.75, 1, 1.5, 2, 3, 4]

export function plot(results: readonly Result[]): string {
  const marks = results
    .flatMap(({ name, rows }) => rows.map(({ what, ratio }) => ({ label: `${name}: ${what}`, ratio })))
    .filter((mark): mark is Mark => mark.ratio !== undefined && mark.ratio.median <= LARGEST)
  const height = TOP + marks.length * ROW_HEIGHT + 16
  const lowest = Math.min(TICKS[0] as number, ...marks.map(({ ratio }) => ratio.low * 0.95))
  const x = (ratio: number) => {
    const share = Math.log(ratio / lowest) / Math.log(LARGEST / lowest)
    return (LABEL_WIDTH + Math.min(1, share) * (WIDTH - LABEL_WIDTH - 24)).toFixed(1)
  }
  const rules = TICKS.map((tick) => rule(x(tick), tick, height))
  const rows = marks.map((mark, n) => row(mark, TOP + n * ROW_HEIGHT + ROW_HEIGHT / 2, x))
  const title = results[0]?.environment.title ?? ''
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" font-family="system-ui, sans-serif" font-size="12">
<title>Times as fast as connect-redis, ${escapeXml(title)}</title>
<rect width="100%" height="100%" fill="#fff"/>
<text x="12" y="18" font-weight="600">Times as fast as connect-redis (${escapeXml(title)}; right of 1 is faster)</text>
${[...rules, ...rows].join('\n')}
</svg>
`
}

function rule(x: string, tick: number, height: number): string {
  const [colour, width] = tick === 1 ? ['#444', 1.5] : ['#ddd', 1]
  return (
    `<line x1="${x}" x2="${x}" y1="${TOP - 6}" y2="${height - 10}" stroke="${colour}" stroke-width="${width}"/>` +
    `<text x="${x}" y="${TOP - 10}" text-anchor="middle" fill="#555">${tick}x</text>`
  )
}

function row({ label, ratio }: Mark, y: number, x: (ratio: number) => string): string {
  const colour = ratio.median >= 1 ? '#1a7f37' : '#9a3412'
  return (
    `<text x="12" y="${y + 4}" fill="#222">${escapeXml(label)}</text>` +
    `<line x1="${x(ratio.low)}" x2="${x(ratio.high)}" y1="${y}" y2="${y}" stroke="${colour}" stroke-width="2"/>` +
    `<circle cx="${x(ratio.median)}" cy="${y}" r="4" fill="${colour}"/>`
  )
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
