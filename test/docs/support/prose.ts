/**
 * Finds the sentences of a Markdown page: in paragraphs, list items, headings and table cells, but not in code blocks.
 */

export type Sentence = { line: number; text: string; words: number }

export function sentencesOf(markdown: string): Sentence[] {
  return passagesOf(markdown).flatMap(({ line, text }) =>
    plain(text)
      .split(/(?<=[.!?][)"']?)\s+(?=\S)/)
      .map((sentence) => ({ line, text: sentence, words: countWords(sentence) })),
  )
}

type Passage = { line: number; text: string }

/**
 * Joins lines that belong together. A blank line, a new list item, a heading, a table cell and a code block begin a new
 * passage.
 */
function passagesOf(markdown: string): Passage[] {
  const passages: Passage[] = []
  let isCode = false
  let open: Passage | undefined
  for (const [n, line] of markdown.split('\n').entries()) {
    const isFence = /^\s*```/.test(line)
    if (isFence) isCode = !isCode
    if (isFence || isCode || line.trim() === '' || line.startsWith('<!--')) open = undefined
    else if (line.startsWith('|')) {
      open = undefined
      passages.push(...cellsOf(line).map((text) => ({ line: n + 1, text })))
    } else if (open && !startsPassage(line)) open.text += ` ${line.trim()}`
    else {
      open = { line: n + 1, text: line.replace(/^\s*([-*]|\d+\.|#+)\s+/, '') }
      passages.push(open)
      if (line.startsWith('#')) open = undefined
    }
  }
  return passages
}

function startsPassage(line: string): boolean {
  return /^\s*([-*]|\d+\.)\s/.test(line) || line.startsWith('#')
}

function cellsOf(row: string): string[] {
  return row
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim())
    .filter((cell) => cell && !/^:?-+:?$/.test(cell))
}

/** Code counts as one word, and a link as its text. */
function plain(text: string): string {
  return text
    .replace(/`[^`]*`/g, 'code')
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/<[^>]*>/g, ' ')
    .replace(/\*\*|\\/g, '')
    .replace(/\b(e\.g|i\.e|etc)\./g, '$1')
}

function countWords(text: string): number {
  return text.split(/\s+/).filter((word) => /\w/.test(word)).length
}
