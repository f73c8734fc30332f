/** Formats figures as text, and rows as Markdown. */
import type { Figure, Row } from './result.ts'
import type { Spread } from './statistics.ts'

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

export function markdown(head: readonly string[], lines: readonly (readonly string[])[]): string {
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

export function groups<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const found = new Map<string, T[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = found.get(key)
    if (group) group.push(item)
    else found.set(key, [item])
  }
  return found
}
