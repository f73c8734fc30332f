/** Copies whole files into the code blocks that are marked with `<!-- file: path -->`. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export function withQuotes(root: string, page: string): string {
  return page.replace(
    /(<!-- file: (\S+) -->\n```\w+\n)[\s\S]*?(?=```\n)/g,
    (_, head: string, path: string) => {
      return head + readFileSync(join(root, path), 'utf8')
    },
  )
}
