/**
 * The benchmark's own server. No other program uses it, and it may be flushed. `REDIS_SERVER` names another version.
 */
import { createClient } from 'redis'
import { type ServerHandle, spawnServer } from '../../test/support/redis-server.ts'
import type { Client } from './contenders.ts'

export interface BenchServer {
  url: string
  /** Such as `Redis 7.0.15`. */
  version: string
  client: Client
  stop(): Promise<void>
}

export async function startServer(): Promise<BenchServer> {
  const server: ServerHandle = await spawnServer()
  const client = await connect(server.url)
  return {
    url: server.url,
    version: server.version,
    client,
    async stop() {
      client.destroy()
      await server.stop()
    },
  }
}

export async function connect(url: string): Promise<Client> {
  const client = createClient({ url })
  client.on('error', (error) => {
    throw error
  })
  return (await client.connect()) as unknown as Client
}

/** Runs `use` with a server, and stops it afterwards. */
export async function withServer<T>(use: (server: BenchServer) => Promise<T>): Promise<T> {
  const server = await startServer()
  try {
    return await use(server)
  } finally {
    await server.stop()
  }
}

/** The numbers of a section of INFO. */
export async function info(client: Client, section: string): Promise<Record<string, string>> {
  const text = String(await client.info(section))
  const lines = text.split(/\r?\n/).filter((line) => line.includes(':'))
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
  )
}
