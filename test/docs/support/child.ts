/**
 * Runs one program of the documentation as it is, in its own process. Addresses in it, such as Redis at localhost:6379,
 * lead to the servers of the test. Port 3000 leads to a free port.
 *
 * - If the program exports stores, they must work.
 * - If it has a driver, the driver checks what the program does.
 * - Otherwise it must end by itself.
 */
import type { LookupOptions } from 'node:dns'
import dns from 'node:dns/promises'
import { once } from 'node:events'
import net from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { format } from 'node:util'
import { expect } from 'chai'
import type { SessionData } from 'express-session'
import { UserSessionStore } from '../../../src/index.ts'
import type { DriverModule } from './driver.ts'

export type Assignment = {
  program: string
  /** Path of a module whose default export is a `Driver`. */
  driver?: string
  /** The page's commands for the program. */
  shell: string[]
  /** Ports of the test's servers by address in the program, such as `localhost:6379`. */
  addresses: Record<string, number>
  redisUrl: string
}

const { program, driver, shell, addresses, redisUrl } = JSON.parse(
  process.env.ASSIGNMENT as string,
) as Assignment
delete process.env.REDIS_URL

const { createConnection } = net
net.createConnection = ((options: net.TcpNetConnectOpts, ...rest: never[]) => {
  const port = addresses[`${options.host ?? 'localhost'}:${options.port}`]
  return createConnection(port ? { ...options, host: '127.0.0.1', port } : options, ...rest)
}) as typeof createConnection

// node-redis asks for the addresses of hosts, too.
const { lookup } = dns
const hosts = new Set(Object.keys(addresses).map((address) => address.split(':')[0]))
dns.lookup = ((host: string, options: LookupOptions) =>
  lookup(hosts.has(host) ? '127.0.0.1' : host, options)) as typeof lookup

const { listen } = net.Server.prototype
let server: net.Server | undefined
net.Server.prototype.listen = function (this: net.Server, port: unknown, ...rest: unknown[]) {
  if (port !== 3000) return listen.call(this, port as never, ...(rest as never[]))
  server = this
  return listen.call(this, 0, ...(rest as never[]))
} as typeof listen

const lines: string[] = []
const { log } = console
console.log = (...words: unknown[]) => {
  lines.push(format(...words))
  log(...words)
}

const driving: DriverModule | undefined = driver && (await import(pathToFileURL(driver).href))
Object.assign(process.env, driving?.env)
const exported: Record<string, unknown> = await import(pathToFileURL(program).href)
const stores = Object.values(exported).filter((value) => value instanceof UserSessionStore)
for (const store of stores) await checkStore(store)
await driving?.default({ listening, lines, shell, redisUrl, exported })
if (driving || stores.length > 0) process.exit(0)

/** A store that a program exports must know the owners of sessions, and must sign users out. */
async function checkStore(store: UserSessionStore): Promise<void> {
  const cookie = { originalMaxAge: 60_000, expires: new Date(Date.now() + 60_000) } as SessionData['cookie']
  await store.set('a session', { cookie, userId: 'eva' } as SessionData)
  const [session] = await store.userSessions('eva')
  expect(session?.sessionId).to.equal('a session')
  expect(await store.destroyUser('eva')).to.equal(1)
  expect(await store.get('a session')).to.equal(null)
}

/** A program without `await` at its top level begins to listen after its import has ended. */
async function listening(): Promise<string> {
  while (!server) await setTimeout(5)
  if (!server.listening) await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`
}
