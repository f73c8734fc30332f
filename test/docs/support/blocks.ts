/**
 * The code blocks of the documentation. A comment on the line before a fence says what becomes of the block:
 *
 *     <!-- block: name -->               a program of this name; without a comment it is one without a name
 *     <!-- block: name after: other -->  a program that begins with that other block of the page
 *     <!-- block: name on: cluster -->   a program for that topology instead of one server
 *     <!-- shell: name -->               commands for the program of that name, which runs meanwhile
 *     <!-- file: path -->                the whole of that file
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

export type Block = {
  page: string
  /** Of the fence, counted from 1. */
  line: number
  language: string
  code: string
  /** The options in the comment before the fence. */
  marks: Record<string, string>
}

/** All but docs/api.md, which shows declarations and is compared with the sources. */
export const pages = [
  'README.md',
  'CONTRIBUTING.md',
  ...markdownIn('docs').filter((page) => page !== 'docs/api.md'),
  ...markdownIn('examples'),
]

function markdownIn(folder: string): string[] {
  const files = readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
  return files
    .filter((file) => file.endsWith('.md') && !file.includes('node_modules'))
    .map((file) => `${folder}/${file}`)
    .sort()
}

export function blocksOf(page: string): Block[] {
  return parseBlocks(page, readFileSync(join(ROOT, page), 'utf8'))
}

export function parseBlocks(page: string, text: string): Block[] {
  const lines = text.split('\n')
  const blocks: Block[] = []
  for (let n = 0; n < lines.length; n++) {
    const language = /^```(.*)$/.exec(lines[n] as string)?.[1]
    if (language === undefined) continue
    const end = lines.indexOf('```', n + 1)
    if (end === -1) throw new Error(`${page}:${n + 1} begins a code block that does not end`)
    const code = `${lines.slice(n + 1, end).join('\n')}\n`
    blocks.push({ page, line: n + 1, language, code, marks: marksIn(lines[n - 1] ?? '') })
    n = end
  }
  return blocks
}

function marksIn(line: string): Record<string, string> {
  const comment = /^<!-- (.*) -->$/.exec(line)?.[1] ?? ''
  return Object.fromEntries(
    [...comment.matchAll(/(\w+): (\S+)/g)].map(([, key, value]) => [key as string, value as string]),
  )
}

export function nameOf({ page, line, marks }: Block): string {
  return `${page}:${line}${marks.block ? ` (${marks.block})` : ''}`
}
