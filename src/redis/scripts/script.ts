/** Builds Lua scripts from their parts, and runs them. */
import { createHash } from 'node:crypto'
import { CorruptSessionError } from '../../session/errors.ts'
import type { SessionClient } from '../clients/client.ts'

/** A Lua script, with the name that tests and traces use for it. */
export interface Script {
  readonly name: string
  readonly source: string
  readonly sha1: string
}

export function script(name: string, ...parts: string[]): Script {
  return named(name, [`-- redis-user-sessions ${name}`, ...parts])
}

/**
 * Makes a script that may also write while Redis is full. Such a script frees memory, repairs an index, or needs no
 * more memory.
 */
export function scriptWhileFull(name: string, ...parts: string[]): Script {
  return named(name, ['#!lua flags=allow-oom', `-- redis-user-sessions ${name}`, ...parts])
}

function named(name: string, lines: string[]): Script {
  const source = lines.join('\n')
  return { name, source, sha1: createHash('sha1').update(source).digest('hex') }
}

/** Runs a script by its SHA-1. The source is sent only if the server does not know the script. */
export async function run(
  client: SessionClient,
  script: Script,
  keys: string[],
  args: string[],
): Promise<unknown> {
  const options = { keys, arguments: args }
  try {
    return await client.evalSha(script.sha1, options)
  } catch (error) {
    if (!hasPrefix(error, 'NOSCRIPT')) throw namingTheKey(error, keys)
  }
  try {
    return await client.eval(script.source, options)
  } catch (error) {
    throw namingTheKey(error, keys)
  }
}

/**
 * Turns `WRONGTYPE` of Redis, or `WRONGTYPE <n>` of a script, into an error that names KEYS[n]. Another program wrote
 * that key.
 */
export function namingTheKey(error: unknown, keys: string[]): unknown {
  if (!hasPrefix(error, 'WRONGTYPE')) return error
  const key = keys[Number(/^WRONGTYPE (\d+)/.exec(error.message)?.[1] ?? 1) - 1] as string
  return new CorruptSessionError(key, 'is of another type than this package writes there')
}

export function hasPrefix(error: unknown, prefix: string): error is Error {
  return error instanceof Error && error.message.startsWith(prefix)
}
