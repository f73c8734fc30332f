/** Writes a code block as a program to its own directory, checks its types, and runs it. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { type Block, ROOT } from './blocks.ts'
import type { Assignment } from './child.ts'

const RUNS_WITHIN_MS = 120_000

export type Program = { directory: string; file: string }

/** The declarations that every TypeScript app makes once. In JavaScript these properties are `any`. */
const DECLARATIONS = `import 'express-session'
declare module 'express-session' {
  interface SessionData {
    userId?: any
    browser?: any
    role?: any
  }
}
`

/**
 * Writes the block, after the blocks that it continues. Imports from there find the packages and this checkout's
 * sources.
 */
export function writeProgram(parent: string, number: number, block: Block, before: Block[]): Program {
  const directory = join(parent, `block-${number}`)
  mkdirSync(directory)
  const modules = join(parent, 'node_modules')
  if (!existsSync(modules)) symlinkSync(join(ROOT, 'node_modules'), modules)
  const code = [...before, block].map((part) => part.code).join('\n')
  const file = join(directory, `program.${extensionOf(block.language, code)}`)
  writeFileSync(file, code)
  writeFileSync(join(directory, 'package.json'), JSON.stringify({ type: 'module' }))
  return { directory, file }
}

function extensionOf(language: string, code: string): string {
  if (language === 'ts') return 'ts'
  return code.includes('require(') ? 'cjs' : 'mjs'
}

/** Resolves to the compiler's errors for each program. It compiles all programs together, because that is faster. */
export async function typeErrors(parent: string, programs: Program[]): Promise<Map<Program, string>> {
  writeFileSync(join(parent, 'declarations.d.ts'), DECLARATIONS)
  writeFileSync(join(parent, 'tsconfig.json'), JSON.stringify(configuration(['block-*/*.ts'])))
  const javaScript = ['declarations.d.ts', 'block-*/*.mjs', 'block-*/*.cjs']
  writeFileSync(join(parent, 'tsconfig.js.json'), JSON.stringify(configuration(javaScript)))
  const said = await Promise.all([compile(parent, 'tsconfig.json'), compile(parent, 'tsconfig.js.json')])
  const errors = said.flatMap((text) => text.trim().split(/\n(?=\S)/)).filter(Boolean)
  const isAbout = ({ directory }: Program, error: string) => error.startsWith(`${basename(directory)}/`)
  const others = errors.filter((error) => !programs.some((program) => isAbout(program, error)))
  if (others.length > 0) throw new Error(`the compiler failed:\n${others.join('\n')}`)
  return new Map(
    programs.map((program) => [program, errors.filter((error) => isAbout(program, error)).join('\n')]),
  )
}

function configuration(include: string[]) {
  return {
    extends: join(ROOT, 'tsconfig.json'),
    compilerOptions: {
      allowJs: true,
      checkJs: true,
      types: ['node'],
      typeRoots: [join(ROOT, 'node_modules/@types')],
      paths: {
        'redis-user-sessions': [join(ROOT, 'src/index.ts')],
        'redis-user-sessions/functions': [join(ROOT, 'src/functions.ts')],
      },
    },
    include,
    exclude: ['**/node_modules'],
  }
}

export async function compile(directory: string, project: string): Promise<string> {
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc')
  const args = [compiler, '--noEmit', '--pretty', 'false', '-p', project]
  const run = promisify(execFile)(process.execPath, args, { cwd: directory })
  return run.then(
    ({ stdout }) => stdout,
    (error: { stdout: string; stderr: string }) => error.stdout + error.stderr,
  )
}

/** Runs the program, with its driver. If the program fails or does not end, it rejects with the program's output. */
export async function runProgram({ directory }: Program, assignment: Assignment): Promise<void> {
  const child = spawn(process.execPath, ['--import', 'tsx', join(ROOT, 'test/docs/support/child.ts')], {
    cwd: directory,
    env: {
      ...process.env,
      TSX_TSCONFIG_PATH: join(directory, '../tsconfig.json'),
      ASSIGNMENT: JSON.stringify(assignment),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: RUNS_WITHIN_MS,
    killSignal: 'SIGKILL',
  })
  const [said, complained, [code, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ])
  if (code === 0) return
  const end = signal ? `did not end within ${RUNS_WITHIN_MS / 1000} s` : `ended with exit code ${code}`
  throw new Error(`it ${end}:\n${said}${complained}`)
}
