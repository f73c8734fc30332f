#!/usr/bin/env node
/** The command line: `npx redis-user-sessions`. */
import { createRequire } from 'node:module'
import { print, runCommand } from './commands.ts'
import { describe } from './connection.ts'
import { type CommandLine, parse, UsageError, usage } from './usage.ts'

const wrongUsage = 2
const redisFailed = 3

// The reader of a pipe, such as `head`, may close it early.
process.stdout.on('error', () => {})
process.exitCode = await main(process.argv.slice(2))

async function main(argv: string[]): Promise<number> {
  let line: CommandLine | 'help' | 'version'
  try {
    line = parse(argv)
  } catch (error) {
    return misused(error)
  }
  if (line === 'help') return printed(usage.trimEnd())
  if (line === 'version') return printed(version())
  try {
    return await runCommand(line)
  } catch (error) {
    if (error instanceof UsageError || error instanceof TypeError) return misused(error)
    complain(`Redis: ${describe(error, line.options)}`)
    return redisFailed
  }
}

function printed(text: string): number {
  print(text)
  return 0
}

function misused(error: unknown): number {
  complain(`${(error as Error).message}\nFor help: redis-user-sessions --help`)
  return wrongUsage
}

function complain(text: string): void {
  process.stderr.write(`redis-user-sessions: ${text}\n`)
}

function version(): string {
  return createRequire(import.meta.url)('redis-user-sessions/package.json').version
}
