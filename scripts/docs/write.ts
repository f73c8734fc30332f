/** Writes the parts of the documentation that are made from the sources: `npm run docs`. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { apiReference } from './api-reference.ts'
import { withQuotes } from './quotes.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

writeFileSync(join(root, 'docs/api.md'), apiReference())
for (const page of ['README.md', 'docs/recipes.md', 'docs/migration.md', 'docs/production.md']) {
  const path = join(root, page)
  const text = readFileSync(path, 'utf8')
  const quoted = withQuotes(root, text)
  if (quoted !== text) writeFileSync(path, quoted)
}
