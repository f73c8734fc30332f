/** The entry point for programs without Express. */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import * as functions from '../../src/functions.ts'
import * as all from '../../src/index.ts'

/** The modules that a source file imports at run time, without type-only imports. */
function importsOf(file: string): string[] {
  const statements = readFileSync(file, 'utf8').matchAll(
    /^(?:import|export) (?!type\b)[^;'"]*?from '([^']+)'/gm,
  )
  return [...statements].map(([, name]) => name as string)
}

/** The packages that a source needs at run time, with all that it imports. */
function packagesOf(file: string, seen = new Set<string>()): Set<string> {
  const packages = new Set<string>()
  seen.add(file)
  for (const name of importsOf(file)) {
    const imported = join(dirname(file), name)
    if (!name.startsWith('.')) packages.add(name)
    else if (!seen.has(imported)) for (const each of packagesOf(imported, seen)) packages.add(each)
  }
  return packages
}

const source = (name: string) => fileURLToPath(new URL(`../../src/${name}.ts`, import.meta.url))

describe('redis-user-sessions/functions', () => {
  it('has the seven functions and their errors, the same as the package itself', () => {
    for (const [name, value] of Object.entries(functions)) {
      expect(all).to.have.property(name).that.equals(value)
    }
    expect(
      Object.keys(functions).filter((name) => name.endsWith('Session') || name.endsWith('Sessions')),
    ).to.have.length(7)
    expect(Object.keys(functions)).to.include('SessionNotFoundError')
  })

  it('needs nothing but Node', () => {
    expect([...packagesOf(source('index'))]).to.include('express-session')
    expect([...packagesOf(source('functions'))].filter((name) => !name.startsWith('node:'))).to.deep.equal([])
  })
})
