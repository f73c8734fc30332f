/** One data server of a topology, with a plain client that reads Redis itself. */
import { createClient } from 'redis'
import { containerServer } from '../container-server.ts'
import { eventually } from '../eventually.ts'
import { type ServerHandle, type ServerOptions, spawnServer } from '../spawn-server.ts'

const RECONNECT_AFTER_MS = 20
const ADMIN_TIMEOUT_MS = 2000

export type AdminClient = Awaited<ReturnType<typeof connectAdmin>>
export type Node = { server: ServerHandle; admin: AdminClient; stop(): Promise<void> }

/** As `spawnServer`, or under `TEST_REDIS=docker` in a container of `REDIS_IMAGE`. */
export function startServer(options?: ServerOptions): Promise<ServerHandle> {
  const { TEST_REDIS, REDIS_IMAGE } = process.env
  return TEST_REDIS === 'docker' ? containerServer(REDIS_IMAGE || 'redis:8', options) : spawnServer(options)
}

export async function startNode(settings: ServerOptions['settings']): Promise<Node> {
  const server = await startServer({ settings })
  const admin = await connectAdmin(server)
  return {
    server,
    admin,
    async stop() {
      if (admin.isOpen) admin.destroy()
      await server.stop()
    },
  }
}

/** Fails at once while the server is away, and is back soon after it. */
async function connectAdmin({ url }: ServerHandle) {
  const client = createClient({
    url,
    disableOfflineQueue: true,
    socket: { reconnectStrategy: RECONNECT_AFTER_MS },
    commandOptions: { timeout: ADMIN_TIMEOUT_MS },
  })
  client.on('error', () => {})
  return client.connect()
}

/** The nodes that run and answer as masters. */
export async function liveMasters(nodes: Node[]): Promise<Node[]> {
  const live = nodes.filter(({ server }) => !server.dead && !server.paused)
  const roles = await Promise.all(live.map(roleOf))
  return live.filter((_, n) => roles[n] === 'master')
}

function roleOf({ server, admin }: Node): Promise<string> {
  return eventually(`the role of the server on port ${server.port}`, async () => (await admin.role())?.role)
}

/** Waits until a replica has loaded its first copy of the master's data, and follows the master. */
export async function untilReplicating({ server, admin }: Node): Promise<void> {
  await eventually(`replication to port ${server.port}`, async () =>
    (await admin.info('replication')).includes('master_link_status:up'),
  )
}
