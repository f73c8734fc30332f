/** Tests the Lua mutants with the given numbers one after the other, and reports to its parent; see `lua.ts`. */
import { createHash } from 'node:crypto'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import Mocha from 'mocha'
import type { Message } from './lua.ts'
import { luaMutants } from './lua-mutants.ts'

/** As Mocha loads the tests, and all that they import: `import` would load it a second time. */
const require = createRequire(import.meta.url)
const exported: typeof import('../../test/support/scripts.ts') = require('../../test/support/scripts.ts')
const { mochaHooks }: typeof import('../../test/support/hooks.ts') = require('../../test/support/hooks.ts')

const TEST_TIMEOUT_MS = 5_000
/**
 * `MUTATION_LUA_TESTS` names other test files, separated by commas. The default needs seconds, all files together need
 * minutes.
 */
const { MUTATION_LUA_TESTS = 'test/redis/scripts.test.ts' } = process.env

const scripts = Object.values(exported).filter((value) => typeof value === 'object') as {
  name: string
  source: string
  sha1: string
}[]
const originals = new Map(scripts.map(({ name, source }) => [name, source]))

/** By script, the titles of the tests that use it. */
const users = new Map<string, Set<string>>(scripts.map(({ name }) => [name, new Set()]))
let currentTest: Mocha.Test | undefined

for (const script of scripts) {
  const sha1s = new Map<string, string>()
  Object.defineProperty(script, 'sha1', {
    get() {
      if (currentTest !== undefined) users.get(script.name)?.add(currentTest.fullTitle())
      const known = sha1s.get(script.source) ?? createHash('sha1').update(script.source).digest('hex')
      sha1s.set(script.source, known)
      return known
    },
  })
}

const mocha = new Mocha({ timeout: TEST_TIMEOUT_MS, reporter: 'min', rootHooks: mochaHooks })
mocha.cleanReferencesAfterRun(false)
mocha.reporter(Mocha.reporters.Base)
mocha.suite.beforeEach(function () {
  currentTest = this.currentTest
})
for (const file of MUTATION_LUA_TESTS.split(',')) mocha.addFile(resolve(file))
await mocha.loadFilesAsync()

/** Twice: tests that leave something behind would make every mutant look killed. */
for (let baseline = 0; baseline < 2; baseline++) await judgeWithoutMutant()
const mutants = luaMutants()
for (const id of process.argv.slice(2).map(Number)) await judge(id)
await judgeWithoutMutant()
process.exit(0)

async function judgeWithoutMutant(): Promise<void> {
  const failed = await run()
  if (failed !== null) await tell({ broken: failed })
  if (failed !== null) process.exit(1)
}

async function judge(id: number): Promise<void> {
  const mutant = mutants[id]
  if (!mutant) throw new Error(`There is no mutant ${id}`)
  await tell({ started: id })
  for (const script of scripts)
    script.source = mutant.sources[script.name] ?? (originals.get(script.name) as string)
  const titles = mutant.scripts.flatMap((name) => [...(users.get(name) ?? [])])
  const killedBy = await run(new Set(titles))
  for (const script of scripts) script.source = originals.get(script.name) as string
  await tell({ mutant: id, killedBy })
}

/** Runs the tests of these titles, or all; resolves to the first that fails. */
function run(titles?: Set<string>): Promise<string | null> {
  mocha.grep(
    titles ? new RegExp([...titles].map((title) => `^${escaped(title)}$`).join('|') || '$never') : /./,
  )
  bailing(mocha.suite)
  let failed: string | null = null
  return new Promise((settle) => {
    const runner = mocha.run(() => {
      currentTest = undefined
      settle(failed)
    })
    runner.on('fail', (test: Mocha.Test, error: Error) => {
      failed ??= `${test.fullTitle()}: ${error.message}`
    })
  })
}

function bailing(suite: Mocha.Suite): void {
  suite.bail(true)
  for (const child of suite.suites) bailing(child)
}

function escaped(title: string): string {
  return title.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
}

function tell(message: Message): Promise<void> {
  return new Promise((settle, reject) =>
    process.send?.(message, (error: Error | null) => (error ? reject(error) : settle())),
  )
}
