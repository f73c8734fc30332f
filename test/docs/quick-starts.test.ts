/**
 * Runs the quick starts as they are, because people copy them. `npm run check:quick-starts` installs them with the
 * packed package. It also runs the one for NestJS, whose packages are not installed here.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { startTopology, type Topology } from '../support/topologies.ts'
import { ROOT } from './support/blocks.ts'
import { runProgram, typeErrors, writeProgram } from './support/program.ts'

const SOURCES = ['examples/quick-start-typescript/app.ts', 'examples/quick-start-commonjs/app.js']
const COPIED = [...SOURCES, 'examples/quick-start-nestjs/main.ts', 'README.md', 'docs/policies.md']

describe('The quick starts', function () {
  this.timeout('1m')
  let topology: Topology
  let directory: string

  before(async () => {
    topology = await startTopology('server')
    directory = mkdtempSync(join(tmpdir(), 'redis-user-sessions-quick-starts-'))
  })

  after(async () => {
    await topology.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  for (const [n, source] of SOURCES.entries()) {
    it(`${source}: shows no name as HTML, plants no session, and is up again after an outage`, async () => {
      const code = readFileSync(join(ROOT, source), 'utf8')
      const language = source.endsWith('.ts') ? 'ts' : 'js'
      const program = writeProgram(directory, n, { page: source, line: 1, language, code, marks: {} }, [])
      await typeErrors(directory, [program]) // writes the configuration that finds the package
      const port = topology.nodes[0]?.server.port as number
      await runProgram(program, {
        program: program.file,
        driver: join(ROOT, 'test/docs/support/drivers/quick-start.ts'),
        shell: [],
        addresses: { 'localhost:6379': port },
        redisUrl: topology.nodes[0]?.server.url as string,
      })
    })
  }

  for (const page of COPIED) {
    it(`${page} has no secret that everybody knows`, () => {
      const code = readFileSync(join(ROOT, page), 'utf8')
      expect(code).to.not.match(/SESSION_SECRET (\?\?|\|\|) ['"`]|secret: ['"`]/)
      expect(code).to.include("process.env.SESSION_SECRET || randomBytes(32).toString('base64url')")
    })
  }
})
