/**
 * Every code block of README.md, docs/ and the examples' READMEs. TypeScript and JavaScript blocks run on a real Redis.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { startTopology, type Topology, type TopologyName } from '../support/topologies.ts'
import { type Block, blocksOf, nameOf, pages, parseBlocks, ROOT } from './support/blocks.ts'
import { shellCommands } from './support/commands.ts'
import { type Program, runProgram, typeErrors, writeProgram } from './support/program.ts'

const PROGRAMS = ['ts', 'js']
/** Languages that are only shown, because they cannot be run. */
const SHOWN = ['text', 'json', 'mermaid']
const drivers = join(ROOT, 'test/docs/support/drivers')

describe('The documentation', function () {
  this.timeout('5m')
  let directory: string
  const topologies = new Map<TopologyName, Promise<Topology>>()
  const toRun: { block: Block; before: Block[] }[] = []
  const programs = new Map<Block, Program>()
  let errors: Map<Program, string>

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'redis-user-sessions-docs-'))
    for (const { block, before } of toRun) {
      programs.set(block, writeProgram(directory, programs.size, block, before))
    }
    errors = await typeErrors(directory, [...programs.values()])
  })

  after(async () => {
    await Promise.all([...topologies.values()].map(async (topology) => (await topology).stop()))
    rmSync(directory, { recursive: true, force: true })
  })

  /** Servers of this file's own: the programs use the default prefixes, and each finds Redis empty. */
  async function emptied(name: TopologyName): Promise<Topology> {
    const topology = topologies.get(name) ?? startTopology(name)
    topologies.set(name, topology)
    const client = await (await topology).connect()
    if ('masters' in client) {
      await Promise.all(client.masters.map(async (master) => (await client.nodeClient(master)).flushAll()))
    } else await client.flushAll()
    await client.close()
    return topology
  }

  function addressesOf({ name, nodes, sentinels }: Topology): Record<string, number> {
    const [first] = nodes as [Topology['nodes'][number]]
    if (name === 'cluster')
      return numbered(
        'redis',
        6379,
        nodes.map(({ server }) => server.port),
      )
    if (name === 'sentinel')
      return numbered(
        'sentinel',
        26379,
        sentinels.map(({ port }) => port),
      )
    return { 'localhost:6379': first.server.port, 'redis:6379': first.server.port }
  }

  function numbered(host: string, port: number, ports: number[]): Record<string, number> {
    const one = (n: number) => ports[n % ports.length] as number
    return Object.fromEntries([0, 1, 2].map((n) => [`${host}-${n + 1}:${port}`, one(n)]))
  }

  for (const page of pages) {
    const blocks = blocksOf(page)
    describe(page, () => {
      for (const block of blocks) testBlock(block, blocks)
      if (blocks.length === 0) it('has no code blocks', () => {})
    })
  }

  function testBlock(block: Block, blocks: Block[]): void {
    const name = nameOf(block)
    if (block.marks.file) {
      it(`${name} is the whole of ${block.marks.file}`, () => {
        expect(block.code).to.equal(readFileSync(join(ROOT, block.marks.file as string), 'utf8'))
      })
    } else if (PROGRAMS.includes(block.language)) {
      const { after } = block.marks
      const before = after ? [namedBlock(blocks, after)] : []
      toRun.push({ block, before })
      it(`${name} does what its page says`, () => runBlock(block, blocks))
      it(`${name} has the right types`, () => expect(errors.get(programs.get(block) as Program)).to.equal(''))
    } else if (block.language === 'sh') {
      const commands = block.code.trimEnd().split('\n')
      it(`${name} has commands that are run`, () => {
        if (block.marks.shell) expect(namedBlock(blocks, block.marks.shell)).to.be.an('object')
        else for (const command of commands) expect(Object.keys(shellCommands)).to.include(command)
      })
    } else {
      it(`${name} is of a language that cannot be run`, () => expect(SHOWN).to.include(block.language))
    }
  }

  async function runBlock(block: Block, blocks: Block[]): Promise<void> {
    const { block: name, on = 'server' } = block.marks
    const topology = await emptied(on as TopologyName)
    const program = programs.get(block) as Program
    const driver = join(drivers, `${name}.ts`)
    const shell = blocks.filter(({ marks }) => name && marks.shell === name)
    await runProgram(program, {
      program: program.file,
      driver: name && existsSync(driver) ? driver : undefined,
      shell: shell.flatMap(({ code }) => code.trimEnd().split('\n')),
      addresses: addressesOf(topology),
      redisUrl: topology.nodes[0]?.server.url ?? '',
    })
  }

  function namedBlock(blocks: Block[], name: string): Block {
    const block = blocks.find(({ marks }) => marks.block === name)
    if (!block) throw new Error(`the page has no block ${name}`)
    return block
  }

  it('has its links: every file and every heading that a page points to exists', () => {
    for (const page of [...pages, 'CHANGELOG.md', 'SECURITY.md', 'docs/api.md']) {
      const text = readFileSync(join(ROOT, page), 'utf8')
      for (const [, link, src] of text.matchAll(/\]\(([^)\s]+)\)|src="([^"]+)"/g)) {
        const [path = '', heading] = ((link ?? src) as string).split('#')
        if (/^https?:/.test(path)) continue
        const target = path ? join(ROOT, page, '..', path) : join(ROOT, page)
        expect(existsSync(target), `${page} points to ${path}`).to.equal(true)
        if (heading) expect(anchorsOf(readFileSync(target, 'utf8')), `${page} points to`).to.include(heading)
      }
    }
  })

  /** As GitHub makes them of headings. */
  function anchorsOf(text: string): string[] {
    return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
      (heading as string)
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(' ', '-'),
    )
  }

  it("has links that npm's page resolves, which shows the README alone", () => {
    const { repository } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
    expect(repository.url).to.match(/^git\+https:\/\/github\.com\/[\w-]+\/[\w-]+\.git$/)
    expect(repository).to.not.have.property('directory')
    expect(readFileSync(join(ROOT, 'README.md'), 'utf8')).to.not.match(/\]\((\/|\.\.)|src="(\/|\.\.)/)
  })

  it('begins with a complete set-up: the install line and an app', () => {
    const [first] = blocksOf('README.md').filter(({ language }) => language === 'js')
    expect(first?.code).to.match(/^\/\/ npm install redis-user-sessions redis express express-session\n/)
    expect(first?.code).to.include('app.listen(3000')
  })

  it('prints the two commands in the promised words', () => {
    const commands = blocksOf('README.md').flatMap(({ language, code }) => (language === 'sh' ? [code] : []))
    expect(commands).to.include('npm ci && npm start\n').and.to.include('npm ci && npm test\n')
  })

  it('names no block that is not there, and a driver for none that is not', () => {
    const page = '<!-- block: a after: b -->\n```js\n1\n```\n\n```sh\nls\n```\n'
    expect(parseBlocks('p.md', page)).to.deep.equal([
      { page: 'p.md', line: 2, language: 'js', code: '1\n', marks: { block: 'a', after: 'b' } },
      { page: 'p.md', line: 6, language: 'sh', code: 'ls\n', marks: {} },
    ])
    expect(() => parseBlocks('p.md', '```js\n1\n')).to.throw('p.md:1')
  })
})
