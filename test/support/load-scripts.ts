/**
 * Loads the package's Lua scripts into a server. A server that does not know a script is asked twice, by hash and by source: a test
 * that counts commands would count both.
 */
import * as exported from './scripts.ts'

type ScriptLoader = { scriptLoad(source: string): Promise<unknown> }

/** A script that does not compile is left out: it fails the tests that run it. */
export async function loadScripts(client: ScriptLoader): Promise<void> {
  const scripts = Object.values(exported).filter((value) => typeof value === 'object')
  await Promise.allSettled(scripts.map(({ source }) => client.scriptLoad(source)))
}
