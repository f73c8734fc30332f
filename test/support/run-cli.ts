/** Runs the command line in its own process. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { redisUrl } from './hooks.ts'

export interface CliResult {
  code: number
  out: string
  err: string
}

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

/** Uses the run's Redis, unless the arguments name another one. */
export async function runCli(args: string[], env: Record<string, string> = {}): Promise<CliResult> {
  const child = spawn(process.execPath, ['--import', 'tsx', main, ...args], {
    env: { ...process.env, REDIS_URL: redisUrl(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const result = { out: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', (text) => {
    result.out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    result.err += text
  })
  const [code] = await once(child, 'close')
  return { ...result, code: code as number }
}
