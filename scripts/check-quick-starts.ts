/**
 * Packs the package and installs the tarball in a copy of each quick start. Builds the copy and starts it on a real
 * Redis. A user signs in on two devices, and one signs out the other. This is done twice: with the peers that the quick
 * start names, and with the oldest peers that the package allows.
 *
 *     npm run check:quick-starts                all of them
 *     npm run check:quick-starts -- commonjs    one
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
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
  scriptsOf,
  signInTwice,
  signOutOne,
  whileRunning,
} from './support/projects.ts'

const { peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const oldestPeers = Object.entries<string>(peerDependencies).map(
  ([name, range]) => `${name}@~${range.replace(/^>=(\d+)$/, '$1.0').replace('>=', '')}`,
)

const wanted = process.argv.slice(2)
const names = readdirSync(join(root, 'examples')).flatMap(
  (name) => /^quick-start-(.+)$/.exec(name)?.[1] ?? [],
)
for (const name of wanted) if (!names.includes(name)) throw new Error(`there is no quick start ${name}`)

const directory = mkdtempSync(join(tmpdir(), 'quick-starts-'))
const redis = await findRedis()
try {
  const tarball = pack(directory)
  for (const name of wanted.length > 0 ? wanted : names) {
    await checkProject(name, tarball)
    await checkProject(name, tarball, ...oldestPeers)
    console.log(`quick-start-${name} works, also with ${oldestPeers.join(' and ')}`)
  }
} finally {
  await redis.stop()
  rmSync(directory, { recursive: true, force: true })
}

async function checkProject(name: string, tarball: string, ...peers: string[]): Promise<void> {
  const project = join(directory, [name, ...peers].join('-'))
  copyFolder(join(root, 'examples', `quick-start-${name}`), project)
  install(project, tarball, ...peers)
  const { build, start = '' } = scriptsOf(project)
  if (build) npm(project, 'run', '--silent', 'build')
  await whileRunning(project, start, { REDIS_URL: redis.url }, async (url) => {
    const devices = await signInTwice(url, redis.url, [204])
    expectEqual(devices.map(({ browser }) => browser).sort(), ['Laptop', 'Phone'])
    await signOutOne(url, redis.url)
  })
}
