/** Users' projects in a temporary folder. Each installs the packed package and the packages that it names. */
import { execFile, execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { cpSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createClient } from 'redis'
import { deleteUserSessions } from '../../src/index.ts'

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const STARTS_WITHIN_MS = 120_000
const TEST_MAY_TAKE_MS = 120_000

/** Builds the package, and packs it into the folder. Returns the tarball's path. */
export function pack(folder: string): string {
  const output = npm(root, 'pack', '--silent', '--pack-destination', folder)
  return join(folder, output.trim().split('\n').at(-1) as string)
}

/** Copies a folder without its installed packages and build results. */
export function copyFolder(from: string, to: string): void {
  const isSource = (path: string) => !/[\\/](node_modules|dist)$/.test(path)
  cpSync(from, to, { recursive: true, filter: isSource })
}

/** Installs the packages of the project's package.json, and these packages in addition or instead. */
export function install(project: string, ...packages: string[]): void {
  npm(project, 'install', '--silent', '--no-audit', '--no-fund', ...packages)
}

export function npm(cwd: string, ...args: string[]): string {
  return execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
}

export function scriptsOf(project: string): Record<string, string> {
  return JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')).scripts ?? {}
}

/** Runs the project's script `test`. If it fails, throws its output. The servers of this process keep running. */
export async function runTest(project: string, env: Record<string, string>): Promise<void> {
  const options = { cwd: project, env: { ...process.env, ...env }, timeout: TEST_MAY_TAKE_MS }
  try {
    await promisify(execFile)('npm', ['test', '--silent'], options)
  } catch (error) {
    const { message, stdout = '', stderr = '' } = error as Error & { stdout?: string; stderr?: string }
    throw new Error(`its test failed: ${message}\n${stdout}${stderr}`)
  }
}

/** Runs an app, with the programs that the project has installed, until the check has ended. */
export async function whileRunning(
  project: string,
  command: string,
  env: Record<string, string>,
  check: (url: string) => Promise<void>,
): Promise<void> {
  const port = await freePort()
  const programs = [join(project, 'node_modules/.bin'), process.env.PATH].join(delimiter)
  const [program, ...args] = command.split(' ') as [string, ...string[]]
  const app = spawn(program, args, {
    cwd: project,
    env: { ...process.env, PATH: programs, PORT: String(port), SESSION_SECRET: secret(), ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  let ended: unknown
  app.on('error', (error) => {
    ended = error
  })
  const exit = new Promise<void>((resolve) => {
    app.on('exit', (code) => {
      ended ??= new Error(`the app ended with exit code ${code}`)
      resolve()
    })
  })
  try {
    const url = `http://127.0.0.1:${port}`
    await untilItAnswers(url, () => ended)
    await check(url)
  } finally {
    // Its folder is removed next.
    if (app.kill()) await exit
  }
}

/** @fastify/session wants 32 characters. */
function secret(): string {
  return randomBytes(32).toString('base64url')
}

/** The session cookie of the phone, and the list of devices as a device gets it. */
interface TwoDevices {
  phone: string
  list(cookie: string): Promise<Response>
}

/**
 * Signs a user in on two devices over HTTP; one signs out the other. `statuses` are the allowed answers to a sign-in.
 * Resolves to the list of devices before that.
 */
export function signInTwice(
  url: string,
  redisUrl: string,
  statuses: readonly number[],
): Promise<Record<string, unknown>[]> {
  return onTwoDevices(url, redisUrl, statuses, async ({ phone, list }) => {
    const devices = (await (await list(phone)).json()) as Record<string, unknown>[]
    expectEqual(devices.length, 2)
    const signOut = await fetch(`${url}/sign-out-others`, { method: 'POST', headers: { cookie: phone } })
    expectEqual([signOut.status, await signOut.json()], [200, { signedOut: 1 }])
    return devices
  })
}

/** A user who is signed in on two devices signs out the other one by its handle. */
export function signOutOne(url: string, redisUrl: string): Promise<void> {
  return onTwoDevices(url, redisUrl, [204], async ({ phone, list }) => {
    const devices = (await (await list(phone)).json()) as { handle: string; thisDevice: boolean }[]
    const other = devices.find(({ thisDevice }) => !thisDevice)
    const path = `${url}/devices/${other?.handle}/sign-out`
    const signOut = async () => (await fetch(path, { method: 'POST', headers: { cookie: phone } })).status
    expectEqual([await signOut(), await signOut()], [204, 404])
  })
}

/** By `act`, the phone signs out the laptop. The user's name is not anyone else's, and its sessions are gone afterwards. */
async function onTwoDevices<T>(
  url: string,
  redisUrl: string,
  statuses: readonly number[],
  act: (devices: TwoDevices) => Promise<T>,
): Promise<T> {
  const user = `user-${randomBytes(6).toString('hex')}`
  const [phone, laptop] = [
    await signIn(url, user, 'Phone', statuses),
    await signIn(url, user, 'Laptop', statuses),
  ]
  const list = (cookie: string) => fetch(`${url}/devices`, { headers: { cookie } })
  const result = await act({ phone, list })
  expectEqual([(await list(phone)).status, (await list(laptop)).status], [200, 401])
  await forget(user, redisUrl)
  return result
}

/** The Redis may be one that other people use, and the projects have the default prefixes. */
async function forget(userId: string, url: string): Promise<void> {
  const client = createClient({ url })
  client.on('error', () => {})
  await client.connect()
  await deleteUserSessions({ client, userId })
  await client.close()
}

async function signIn(
  url: string,
  user: string,
  browser: string,
  statuses: readonly number[],
): Promise<string> {
  const response = await fetch(`${url}/sign-in/${user}`, {
    method: 'POST',
    headers: { 'user-agent': browser },
  })
  expectEqual(statuses.includes(response.status), true)
  const [cookie] = response.headers.getSetCookie()
  if (!cookie) throw new Error('the sign-in sets no cookie')
  return cookie.split(';')[0] as string
}

export function expectEqual(actual: unknown, expected: unknown): void {
  const [got, wanted] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (got !== wanted) throw new Error(`expected ${wanted}, got ${got}`)
}

async function untilItAnswers(url: string, endOf: () => unknown): Promise<void> {
  for (const end = Date.now() + STARTS_WITHIN_MS; Date.now() < end; ) {
    if (endOf()) throw endOf()
    const answered = await fetch(url).then(
      () => true,
      () => false,
    )
    if (answered) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('the app does not answer')
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
