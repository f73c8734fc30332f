/**
 * Packs the package, and uses the example like people who copy it: only its folder, in a temporary folder, with the
 * tarball installed. It checks the types, runs the smoke test and starts the example, all on a real Redis.
 *
 *     npm run check:example
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findRedis } from '../test/support/redis-server.ts'
import {
  copyFolder,
  expectEqual,
  install,
  npm,
  pack,
  root,
  runTest,
  scriptsOf,
  whileRunning,
} from './support/projects.ts'

const directory = mkdtempSync(join(tmpdir(), 'example-'))
const project = join(directory, 'app')
const redis = await findRedis()
const env = { REDIS_URL: redis.url }
try {
  copyFolder(join(root, 'examples/express-app'), project)
  install(project, pack(directory))
  npm(project, 'run', '--silent', 'typecheck')
  await runTest(project, env)
  await whileRunning(project, scriptsOf(project).start ?? '', env, async (url) => {
    expectEqual((await fetch(`${url}/sign-in`)).status, 200)
  })
  console.log('examples/express-app works in a folder of its own')
} finally {
  await redis.stop()
  rmSync(directory, { recursive: true, force: true })
}
