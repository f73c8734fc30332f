/**
 * Packs the package and uses it as its users do. Each folder of test/projects is a separate project. It installs the
 * tarball in a temporary folder and runs on a real Redis.
 *
 *     npm run check:projects               all of them
 *     npm run check:projects -- koa bun    these
 *
 * Of a project's package.json:
 *
 * - The script `test` is run, beside an OpenID Connect provider.
 * - The app in the script `start` is started and checked over HTTP. A user signs in on two devices, and one signs out
 *   the other.
 * - `variants` are the packages to install instead, such as "redis@~5.0.0 express@4". Everything is run again with each
 *   of them.
 * - Programs come from its node_modules. So `node` as a dependency is the Node of the project.
 *
 * Each project also gets shared/ (of test/projects) and recipes/ (examples/recipes).
 */
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startIdentityProvider } from '../test/support/identity-provider.ts'
import { findRedis } from '../test/support/redis-server.ts'
import {
  copyFolder,
  install,
  pack,
  root,
  runTest,
  scriptsOf,
  signInTwice,
  whileRunning,
} from './support/projects.ts'

const folder = join(root, 'test/projects')
const names = readdirSync(folder).filter((name) => name !== 'shared')
const wanted = process.argv.slice(2)
for (const name of wanted) if (!names.includes(name)) throw new Error(`there is no project ${name}`)

const directory = mkdtempSync(join(tmpdir(), 'projects-'))
const redis = await findRedis()
const provider = await startIdentityProvider()
const env = { REDIS_URL: redis.url, IDENTITY_PROVIDER_URL: provider.url, CLIENT_ID: provider.clientId }
const failed: string[] = []
let passes = 0
try {
  const tarball = pack(directory)
  for (const name of wanted.length > 0 ? wanted : names) await checkProject(name, tarball)
} finally {
  await provider.stop()
  await redis.stop()
  rmSync(directory, { recursive: true, force: true })
}
if (failed.length > 0) process.exitCode = 1
count()

/** Adds these projects to the counts of .ci/run, as its reporter of tests does. */
function count(): void {
  const file = process.env.TEST_COUNTS
  const counts = { passes, failures: failed.length, pending: 0, failed }
  if (file) appendFileSync(file, `${JSON.stringify(counts)}\n`)
}

/** A project that fails does not keep the others from running. */
async function checkProject(name: string, tarball: string): Promise<void> {
  const project = join(directory, name)
  copyFolder(join(folder, name), project)
  copyFolder(join(folder, 'shared'), join(project, 'shared'))
  copyFolder(join(root, 'examples/recipes'), join(project, 'recipes'))
  const { variants = [] } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'))
  for (const variant of ['', ...variants] as string[]) {
    const title = variant ? `${name} with ${variant.replaceAll(' ', ' and ')}` : name
    const started = Date.now()
    try {
      install(project, tarball, ...variant.split(' ').filter(Boolean))
      await run(project)
      passes += 1
      console.log(`${title} works (${Math.round((Date.now() - started) / 1000)} s)`)
    } catch (error) {
      failed.push(`${title} fails: ${(error as Error).message}`)
      console.error(failed.at(-1))
    }
  }
  rmSync(project, { recursive: true, force: true })
}

async function run(project: string): Promise<void> {
  const { test, start } = scriptsOf(project)
  if (test) await runTest(project, env)
  if (start) {
    await whileRunning(
      project,
      start,
      env,
      async (url) => void (await signInTwice(url, redis.url, [200, 204])),
    )
  }
}
