/**
 * Packs the package, installs the tarball in a copy of each quick start, builds and starts it on a real Redis, and signs a
 * user in on two devices; once with the peers that it names, and once with the oldest that the package allows.
 *
 *     npm run check:quick-starts                all of them
 *     npm run check:quick-starts -- commonjs    one
 */
import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createClient } from 'redis'
import { deleteUserSessions } from '../src/index.ts'
import { findRedis } from '../test/support/redis-server.ts'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const STARTS_WITHIN_MS = 30_000

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
  const pack = ['pack', '--silent', '--pack-destination', directory]
  const tarball = join(
    directory,
    npm(root, ...pack)
      .trim()
      .split('\n')
      .at(-1) as string,
  )
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
  const isSource = (path: string) => !/[\\/](node_modules|dist)$/.test(path)
  cpSync(join(root, 'examples', `quick-start-${name}`), project, { recursive: true, filter: isSource })
  npm(project, 'install', '--silent', '--no-audit', '--no-fund', tarball, ...peers)
  const { scripts } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'))
  if (scripts.build) npm(project, 'run', '--silent', 'build')
  await whileRunning(project, scripts.start, signInTwice)
}

async function whileRunning(project: string, start: string, check: (url: string) => Promise<void>) {
  const port = await freePort()
  const [node, ...args] = start.split(' ')
  if (node !== 'node') throw new Error(`this starts programs of Node only, not ${start}`)
  const app = spawn(process.execPath, args, {
    cwd: project,
    env: { ...process.env, REDIS_URL: redis.url, PORT: String(port), SESSION_SECRET: 'a secret' },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  try {
    const url = `http://127.0.0.1:${port}`
    await untilItAnswers(url, () => app.exitCode !== null)
    await check(url)
  } finally {
    app.kill()
  }
}

/** Through HTTP alone: two devices of a user, who signs out the other one. The user's name is not anyone else's. */
async function signInTwice(url: string): Promise<void> {
  const user = `quick-start-${randomBytes(6).toString('hex')}`
  const [phone, laptop] = [await signIn(url, user, 'Phone'), await signIn(url, user, 'Laptop')]
  const get = (cookie: string) => fetch(`${url}/devices`, { headers: { cookie } })
  const devices = (await (await get(phone)).json()) as { browser: string; handle: string }[]
  expectEqual(devices.map(({ browser }) => browser).sort(), ['Laptop', 'Phone'])
  const signOut = await fetch(`${url}/sign-out-others`, { method: 'POST', headers: { cookie: phone } })
  expectEqual([signOut.status, await signOut.json()], [200, { signedOut: 1 }])
  expectEqual([(await get(phone)).status, (await get(laptop)).status], [200, 401])
  await forget(user)
}

/** The Redis may be one that other people use, and the quick starts have the default prefixes. */
async function forget(userId: string): Promise<void> {
  const client = createClient({ url: redis.url })
  client.on('error', () => {})
  await client.connect()
  await deleteUserSessions({ client, userId })
  await client.close()
}

async function signIn(url: string, user: string, browser: string): Promise<string> {
  const response = await fetch(`${url}/sign-in/${user}`, {
    method: 'POST',
    headers: { 'user-agent': browser },
  })
  expectEqual(response.status, 204)
  const [cookie] = response.headers.getSetCookie()
  if (!cookie) throw new Error('the sign-in sets no cookie')
  return cookie.split(';')[0] as string
}

function expectEqual(actual: unknown, expected: unknown): void {
  const [got, wanted] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (got !== wanted) throw new Error(`expected ${wanted}, got ${got}`)
}

async function untilItAnswers(url: string, hasEnded: () => boolean): Promise<void> {
  for (const end = Date.now() + STARTS_WITHIN_MS; Date.now() < end; ) {
    if (hasEnded()) throw new Error('the app ended')
    const answered = await fetch(url).then(
      () => true,
      () => false,
    )
    if (answered) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('the app does not answer')
}

function npm(cwd: string, ...args: string[]): string {
  return execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
