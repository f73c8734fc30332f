/** The folders of `src` are the architecture. Each folder uses only folders below it, even for types. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'

const SRC = fileURLToPath(new URL('../../src', import.meta.url))

/** From the top to the bottom. A file that lies in no folder, such as `index.ts`, is an entry point. */
const ROOMS = ['', 'cli', 'adapters', 'api', 'requests', 'users', 'redis', 'redis/clients', 'session']

/** The libraries that only `redis/clients` may know, even by a type. */
const CLIENT_LIBRARIES = ['redis', '@redis/client', 'ioredis', 'iovalkey']

const IMPORT = /\b(?:from|import)\s*\(?\s*'([^']+)'/g
/** `client._options`, `'_options' in client`, `{ _options } = client`: node-redis and ioredis name private properties so. */
const PRIVATE = /(?:\?*\.|['"]|\{ |, )_[a-z]\w*/g

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
const sourceOf = (file: string) => readFileSync(join(SRC, file), 'utf8')
const roomOf = (file: string) => dirname(file).replace(/^\.$/, '')

/** The lowest room that holds the file: files of `redis/scripts` are in `redis`. */
function floorOf(file: string): number {
  return ROOMS.findLastIndex((room) => room === roomOf(file) || (room && roomOf(file).startsWith(`${room}/`)))
}

function importsOf(file: string): string[] {
  return [...sourceOf(file).matchAll(IMPORT)].map(([, name]) => name as string)
}

function importsUpwards(file: string): string[] {
  const ofPackage = importsOf(file).filter((name) => name.startsWith('.'))
  const targets = ofPackage.map((name) => relative(SRC, join(SRC, dirname(file), name)))
  return targets.filter((target) => floorOf(target) < floorOf(file))
}

describe('The rooms of src', () => {
  it('are all in the list of this test', () => {
    expect(files.filter((file) => floorOf(file) === -1)).to.deep.equal([])
    expect(ROOMS.filter((room) => !files.some((file) => roomOf(file) === room))).to.deep.equal([])
  })

  for (const room of ROOMS.slice(1)) {
    it(`${room} uses nothing above it`, () => {
      const own = files.filter((file) => floorOf(file) === ROOMS.indexOf(room))
      const wrong = own.flatMap((file) => importsUpwards(file).map((target) => `${file} -> ${target}`))
      expect(wrong).to.deep.equal([])
    })
  }

  it('know a client library in redis/clients only, apart from the command line, which connects', () => {
    const others = files.filter((file) => !['redis/clients', 'cli'].includes(roomOf(file)))
    const known = others.filter((file) => importsOf(file).some((name) => CLIENT_LIBRARIES.includes(name)))
    expect(known).to.deep.equal([])
  })

  it('look at private properties in redis/clients only', () => {
    const others = files.filter((file) => roomOf(file) !== 'redis/clients')
    const looks = others.flatMap((file) =>
      (sourceOf(file).match(PRIVATE) ?? []).map((look) => `${file}: ${look}`),
    )
    expect(looks).to.deep.equal([])
  })
})
