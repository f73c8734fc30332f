/** Every file that docs/how-it-works.md names must exist. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { ROOT } from './support/blocks.ts'

const rooms = /^(api|requests|users|redis|session)\//

describe('docs/how-it-works.md', () => {
  const page = readFileSync(join(ROOT, 'docs/how-it-works.md'), 'utf8')
  const named = [...page.matchAll(/`([\w./-]+)`/g)].map(([, path]) => path as string)
  const paths = named.filter((path) => rooms.test(path) || path.startsWith('test/'))

  it('names files and folders of every room', () => {
    for (const room of ['requests', 'users', 'redis', 'session', 'api']) {
      expect(
        paths.some((path) => path.startsWith(`${room}/`)),
        room,
      ).to.equal(true)
    }
  })

  for (const path of new Set(paths)) {
    it(`${path} exists`, () => {
      expect(existsSync(join(ROOT, rooms.test(path) ? `src/${path}` : path))).to.equal(true)
    })
  }
})
