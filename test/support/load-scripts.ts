/**
 * Loads the package's Lua scripts into a server. A script that a server does not know is sent twice, by hash and by
 * source. Tests that count commands would count both.
 */
import * as exported from './scripts.ts'

type ScriptLoader = { scriptLoad(source: string): Promise<unknown> }

/** Leaves out a script that does not compile, because the tests that run it will fail. */
export async function loadScripts(client: ScriptLoader): Promise<void> {
  const scripts = Object.values(exported).filter((value) => typeof value === 'object')
  await Promise.allSettled(scripts.map(({ source }) => client.scriptLoad(source)))
}
