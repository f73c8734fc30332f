/** docs/compatibility.md claims exactly the environments that CI runs. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { ROOT } from './support/blocks.ts'

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')

describe('docs/compatibility.md', () => {
  const [claims = '', byHand = ''] = read('docs/compatibility.md').split('## Tried once')
  const rows = claims
    .split('\n')
    .filter((line) => line.startsWith('| ') && !/^\| (---|.*\| step \|$)/.test(line))
  const cells = (row: string) => row.split('|').slice(1, -1)
  const codeIn = (text = '') => [...text.matchAll(/`([^`]+)`/g)].map(([, code]) => code as string)
  const stepsIn = (row: string) => codeIn(cells(row).at(-1))
  const projects = readdirSync(join(ROOT, 'test/projects')).filter((name) => name !== 'shared')

  const [, list = ''] = /ALL_STEPS=\(([\s\S]*?)\)/.exec(read('.ci/run')) ?? []
  const steps = list.split(/\s+/).filter(Boolean)

  /** The rows that name this step, as one text. */
  const claimsOf = (step: string) => rows.filter((row) => stepsIn(row).includes(step)).join('\n')

  it('names a step of .ci/run in each row', () => {
    expect(rows.length).to.be.greaterThan(20)
    for (const row of rows) {
      expect(stepsIn(row), row).to.not.deep.equal([])
      expect(steps, row).to.include.members(stepsIn(row))
    }
  })

  it('has every suite of .ci/run, by its server or Node', () => {
    for (const step of steps.filter((name) => name.startsWith('suite_'))) {
      const [, name = '', version = ''] = /^suite_([a-z]+)_(.*)$/.exec(step) ?? []
      expect(claimsOf(step).toLowerCase(), step).to.include(
        `| ${name === 'node' ? '' : `${name} `}${version.replace('_', '.')}`,
      )
    }
  })

  it('has every project, and no other', () => {
    expect([
      ...new Set(codeIn(claimsOf('projects')).filter((name) => projects.includes(name))),
    ]).to.have.members(projects)
  })

  it('has the versions that the projects install', () => {
    const { dependencies, variants } = JSON.parse(read('test/projects/express/package.json'))
    expect(dependencies).to.include({ express: '5', 'express-session': '1.19', redis: '6' })
    expect(variants).to.deep.equal([
      'redis@~5.0.0 express-session@~1.17.0 express@4',
      'redis@5 express-session@~1.18.0',
    ])
    expect(JSON.parse(read('test/projects/command-line/package.json')).variants).to.deep.equal([
      'redis@~5.0.0',
    ])
    const { peerDependencies } = JSON.parse(read('package.json'))
    expect(peerDependencies).to.include({ redis: '>=5', 'express-session': '>=1.17' })
  })

  it('has the versions that the check of the package installs', () => {
    const script = read('scripts/check-package.sh')
    const listOf = (name: string) =>
      new RegExp(`^${name}=\\((.*)\\)$`, 'm').exec(script)?.[1]?.split(' ').join(', ')
    expect(claimsOf('package'))
      .to.include(`| ${listOf('nodes')} |`)
      .and.include(`TypeScript ${listOf('typescripts')} |`)
    expect(script).to.include('jest@30 vitest@4')
  })

  it('has the major versions of this checkout', () => {
    const { devDependencies } = JSON.parse(read('package.json'))
    const major = (name: string) => /\d+/.exec(devDependencies[name])?.[0]
    for (const [name, title] of [
      ['redis', 'node-redis'],
      ['express', 'Express'],
      ['fastify', 'Fastify'],
      ['@fastify/session', '@fastify/session'],
      ['express-openid-connect', 'express-openid-connect'],
      ['socket.io', 'Socket.IO'],
      ['connect-redis', 'connect-redis'],
    ] as const)
      expect(claimsOf('suite')).to.include(`${title} ${major(name)}`)
    expect(devDependencies['express-session']).to.equal('^1.19.0')
  })

  it('marks all other rows as tried by hand', () => {
    expect(byHand).to.include('CI does not run them')
  })
})
