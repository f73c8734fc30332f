/** Connects the command line to Redis, using the project's own package `redis`. */
import type { SessionClient } from '../redis/clients/client.ts'
import { type Options, UsageError } from './usage.ts'

/** A client or a Cluster client. */
type Connection = SessionClient & { destroy(): void }

/** Runs the work with one connection, and with a second one if the work asks for it. Closes both afterwards. */
export async function withRedis<T>(
  options: Options,
  work: (client: Connection, second: () => Promise<Connection>) => Promise<T>,
): Promise<T> {
  const url = redisUrl(options.url)
  const open: Connection[] = []
  const connect = async () => {
    const client = await connected(url, options.cluster)
    open.push(client)
    return client
  }
  try {
    return await work(await connect(), connect)
  } finally {
    for (const client of open) client.destroy()
  }
}

async function connected(url: URL, isCluster: boolean): Promise<Connection> {
  const { createClient, createCluster } = await nodeRedis()
  const socket = { reconnectStrategy: false, connectTimeout: 5000, socketTimeout: 10_000 } as const
  if (isCluster) {
    const { username, password } = url
    const credentials = {
      ...(username && { username: decodeURIComponent(username) }),
      ...(password && { password: decodeURIComponent(password) }),
    }
    const cluster = createCluster({ rootNodes: [{ url: url.href }], defaults: { ...credentials, socket } })
    cluster.on('error', () => {})
    return cluster.connect()
  }
  const client = createClient({ url: url.href, disableOfflineQueue: true, socket })
  client.on('error', () => {})
  return client.connect()
}

async function nodeRedis() {
  try {
    return await import('redis')
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new UsageError(
      'the package redis is not installed: run "npm install redis", or "npx -p redis -p redis-user-sessions redis-user-sessions"',
    )
  }
}

/** Parses the URL. No message shows it, because it may contain a password. */
function redisUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isRedis = url && /^rediss?:$/.test(url.protocol)
  if (isRedis && passwordsIn(text) !== undefined) return url
  throw new UsageError('the URL of Redis must begin with redis:// or rediss://, and be encoded as URLs are')
}

/** Returns the URL's password as it is written there, and decoded. Returns `undefined` if the encoding is wrong. */
function passwordsIn(text: string): string[] | undefined {
  const { password, username } = new URL(text)
  try {
    decodeURIComponent(username)
    return [password, decodeURIComponent(password)].filter(Boolean)
  } catch {
    return undefined
  }
}

/** Describes an error without the password of the URL. */
export function describe(error: unknown, { url }: Options): string {
  const { message, code } = Object(error) as { message?: string; code?: string }
  const text = message || code || String(error)
  const hint = /\b(MOVED|CROSSSLOT|ASK) /.test(text) ? '; add the option --cluster' : ''
  const secrets = passwordsIn(url) ?? []
  return secrets.reduce((shown, secret) => shown.replaceAll(secret, '***'), text) + hint
}
