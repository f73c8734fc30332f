/**
 * A Redis or Valkey in a container that behaves like the processes of `spawnServer`, for topologies under
 * `TEST_REDIS=docker`. It shares the host's network, because Cluster nodes and Sentinels give each other's addresses to
 * clients. So it needs a Docker engine on the same Linux machine.
 */
import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { createClient } from 'redis'
import { eventually } from './eventually.ts'
import { onProcessEnd } from './process-end.ts'
import { expectVersionOfImage } from './server-version.ts'
import { freePortCandidate, isPortTaken, type ServerHandle, type ServerOptions } from './spawn-server.ts'

const BIND_ATTEMPTS = 3
/** Images call their server by either name; the rest of their own entry points would open it to the network. */
const ENTRYPOINT = [
  'sh',
  '-c',
  'exec "$(command -v valkey-server || command -v redis-server)" "$@"',
  'server',
]

/** The path of its configuration is the server's own, and the server tells it: another one can listen on the port. */
type Site = { image: string; port: number; config: string }
type Engine = Awaited<ReturnType<typeof engineContainer>>

/** Starts a server in a container on a free loopback port of the host and resolves when it accepts connections. */
export async function containerServer(image: string, options: ServerOptions = {}): Promise<ServerHandle> {
  for (let attempt = 1; ; attempt++) {
    const site = { image, port: freePortCandidate(), config: `/tmp/${randomUUID()}.conf` }
    try {
      return await handleOf(site, await startContainer(site, options))
    } catch (error) {
      if (attempt === BIND_ATTEMPTS || !isPortTaken(error)) throw error
    }
  }
}

/** Resolves when the server accepts connections. Rejects with the server's own output if it ends before. */
async function startContainer(site: Site, { settings, sentinel }: ServerOptions): Promise<Engine> {
  const { GenericContainer } = await import('testcontainers')
  const { image, port, config } = site
  const lines = [`port ${port}`, 'bind 127.0.0.1', 'dir /tmp', 'save ""', ...(settings?.(port) ?? []), '']
  const started = await new GenericContainer(image)
    .withNetworkMode('host')
    .withEntrypoint(ENTRYPOINT)
    .withCommand(sentinel ? [config, '--sentinel'] : [config])
    .withCopyContentToContainer([{ content: lines.join('\n'), target: config }])
    .start()
  const container = await engineContainer(started.getId())
  try {
    await untilReady(site, container)
    return container
  } catch (error) {
    await container.remove({ force: true, v: true })
    throw error
  }
}

/** Asks the server itself. Docker's log stream can leave out the line that says it is ready, on a busy machine. */
async function untilReady(site: Site, container: Engine): Promise<void> {
  const { image, port } = site
  const state = await eventually(`${image} on port ${port}`, async () => {
    if (!(await container.inspect()).State.Running) return 'ended'
    return (await isReady(site)) && 'ready'
  })
  if (state === 'ready') return
  const output = await container.logs({ stdout: true, stderr: true })
  throw new Error(`${image} gave no server: ${output}`)
}

/** Whether this server, and no other on the same port, accepts connections and has loaded its data. */
async function isReady({ port, config }: Site): Promise<boolean> {
  const client = createClient({ url: urlOf(port), socket: { reconnectStrategy: false } })
  client.on('error', () => {})
  try {
    await client.connect()
    return (await client.info('server')).includes(config) && (await client.ping()) === 'PONG'
  } finally {
    client.destroy()
  }
}

function urlOf(port: number): string {
  return `redis://127.0.0.1:${port}`
}

async function engineContainer(id: string) {
  const { getContainerRuntimeClient } = await import('testcontainers')
  return (await getContainerRuntimeClient()).container.getById(id)
}

async function handleOf(site: Site, container: Engine): Promise<ServerHandle> {
  const { image, port } = site
  let pid = await hostPid(container)
  let dead = false
  let paused = false
  let stopped: Promise<unknown> | undefined
  const forget = onProcessEnd(() => {
    spawnSync('docker', ['rm', '--force', '--volumes', container.id], { stdio: 'ignore' })
  })

  const url = urlOf(port)
  const version = await expectVersionOfImage(image, url)

  const handle: ServerHandle = {
    url,
    port,
    version,
    get pid() {
      return pid
    },
    get dead() {
      return dead
    },
    get paused() {
      return paused
    },
    async kill() {
      if (dead) return
      await handle.resume()
      await container.kill()
      await container.wait()
      dead = true
    },
    async restart() {
      if (!dead) throw new Error(`The server on port ${port} is still running`)
      await container.start()
      await untilReady(site, container)
      pid = await hostPid(container)
      dead = false
    },
    async pause() {
      await container.pause()
      paused = true
    },
    async resume() {
      if (paused) await container.unpause()
      paused = false
    },
    async stop() {
      stopped ??= container.remove({ force: true, v: true })
      await stopped
      dead = true
      forget()
    },
  }
  return handle
}

async function hostPid(container: Engine): Promise<number> {
  return (await container.inspect()).State.Pid
}
