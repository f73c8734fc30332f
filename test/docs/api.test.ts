/** docs/api.md equals the docstrings, and the README and docs/errors.md are complete. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { apiReference, exportedNames } from '../../scripts/docs/api-reference.ts'
import { withQuotes } from '../../scripts/docs/quotes.ts'
import * as exports from '../../src/index.ts'
import { blocksOf, ROOT } from './support/blocks.ts'

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')

describe('The API reference', function () {
  this.timeout('5m')
  const readme = read('README.md')
  const api = read('docs/api.md')

  it('is up to date (npm run docs writes it)', () => {
    expect(api).to.equal(apiReference())
  })

  it('has every exported name', () => {
    expect(exportedNames()).to.include.members(Object.keys(exports))
    for (const name of exportedNames()) expect(api).to.match(new RegExp(`^### ${name}\\b`, 'm'))
  })

  it('has every method of the store, in the reference and in the README', () => {
    const methods = Object.getOwnPropertyNames(exports.UserSessionStore.prototype)
    const ofExpressSession = ['constructor', 'createSession', 'generate', 'regenerate']
    for (const method of methods) {
      expect(api).to.match(new RegExp(`^#### ${method}$`, 'm'))
      if (!ofExpressSession.includes(method)) expect(readme).to.match(new RegExp(`\`${method}(\\(.*?\\))?\``))
    }
  })

  it('has every option of the store, by name, in the README', () => {
    const [declaration] = /interface UserSessionStoreOptions \{\n([\s\S]*?)\n\}/.exec(api)?.slice(1) ?? []
    const options = [...(declaration ?? '').matchAll(/^ {2}(\w+)\??:/gm)].map(([, name]) => name)
    expect(options).to.include.members(['client', 'scanCount'])
    for (const option of options) expect(readme).to.include(`\`${option}\``)
  })

  it('has every error of the package, with its code, in docs/errors.md', () => {
    const errors = Object.entries(exports).filter(([name]) => name.endsWith('Error'))
    for (const [name] of errors) {
      const code = new RegExp(`### ${name}\\b[\\s\\S]*?readonly code = '(\\w+)'`).exec(api)?.[1]
      expect(code, name).to.be.a('string')
      expect(read('docs/errors.md')).to.include(`| \`${name}\` | \`${code}\` |`)
    }
  })

  it('a quote is replaced by the file that it names', () => {
    const page = 'a\n<!-- file: examples/recipes/session-data.ts -->\n```ts\nold\n```\nb\n'
    expect(withQuotes(ROOT, page)).to.equal(page.replace('old\n', read('examples/recipes/session-data.ts')))
  })

  it('every recipe is quoted', () => {
    const quoted = blocksOf('docs/recipes.md').flatMap(({ marks }) => marks.file ?? [])
    const recipes = readdirSync(join(ROOT, 'examples/recipes')).map((file) => `examples/recipes/${file}`)
    expect(quoted).to.include.members(recipes)
  })
})
