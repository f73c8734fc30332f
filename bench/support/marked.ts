/** Replaces a part of a page between two marks, such as `<!-- bench -->` and `<!-- /bench -->`. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '../..')

export async function fillMarked(page: string, mark: string, parts: readonly string[]): Promise<void> {
  const file = join(ROOT, page)
  const text = await readFile(file, 'utf8')
  const marked = new RegExp(`(<!-- ${mark} -->\n)[\\s\\S]*?(<!-- /${mark} -->)`)
  if (!marked.test(text)) throw new Error(`${page} has no place for ${mark}`)
  await writeFile(
    file,
    text.replace(marked, (_, open, close) => `${open}${parts.join('\n\n')}\n${close}`),
  )
}
