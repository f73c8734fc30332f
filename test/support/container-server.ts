/**
 * A Redis or Valkey in a container that behaves like the processes of `spawnServer`, for topologies under
 * `TEST_REDIS=docker`. It shares the host's network, because Cluster nodes and Sentinels give each other's addresses to
 * clients. So it needs a Docker engine on the same Linux machine.
 */
import { spawnSync } from 'node:child_process'
import type { StartedTestContainer } from 'testcontainers'
import { onProcessEnd } from './process-end.ts'
import { expectVersionOfImage } from './server-version.ts'
import {
  freePortCandidate,
  isPortTaken,
  READY,
  type ServerHandle,
  type ServerOptions,
} from './spawn-server.ts'

const BIND_ATTEMPTS = 3
const CONFIG = '/tmp/server.conf'
/** Images call their server by either name; the rest of their own entry points would open it to the network. */
const ENTRYPOINT = [
  'sh',
  '-c',
  'exec "$(command -v valkey-server || command -v redis-server)" "$@"',
  'server',
]

type Engine = Awaited<ReturnType<typeof engineContainer>>

/** Starts a server in a container on a free loopback port of the host and resolves when it accepts connections. */
export async function containerServer(image: string, options: ServerOptions = {}): Promise<ServerHandle> {
  for (let attempt = 1; ; attempt++) {
    const port = freePortCandidate()
    try {
      return await handleOf(image, port, await startContainer(image, port, options))
    } catch (error) {
      if (attempt === BIND_ATTEMPTS || !isPortTaken(error)) throw error
    }
  }
}

/** Rejects with the server's own output if the server ends before it is ready. */
async function startContainer(image: string, port: number, { settings, sentinel }: ServerOptions) {
  const { GenericContainer, Wait } = await import('testcontainers')
  const lines = [`port ${port}`, 'bind 127.0.0.1', 'dir /tmp', 'save ""', ...(settings?.(port) ?? []), '']
  const said: string[] = []
  try {
    return await new GenericContainer(image)
      .withNetworkMode('host')
      .withEntrypoint(ENTRYPOINT)
      .withCommand(sentinel ? [CONFIG, '--sentinel'] : [CONFIG])
      .withCopyContentToContainer([{ content: lines.join('\n'), target: CONFIG }])
      .withLogConsumer((log) => log.on('data', (chunk) => said.push(String(chunk))))
      .withWaitStrategy(Wait.forLogMessage(READY))
      .start()
  } catch (cause) {
    throw new Error(`${image} gave no server: ${cause}\n${said.join('')}`, { cause })
  }
}

async function engineContainer(id: string) {
  const { getContainerRuntimeClient } = await import('testcontainers')
  return (await getContainerRuntimeClient()).container.getById(id)
}

async function handleOf(image: string, port: number, started: StartedTestContainer): Promise<ServerHandle> {
  const container = await engineContainer(started.getId())
  let pid = await hostPid(container)
  let dead = false
  let paused = false
  let stopped: Promise<unknown> | undefined
  const forget = onProcessEnd(() => {
    spawnSync('docker', ['rm', '--force', '--volumes', container.id], { stdio: 'ignore' })
  })

  const url = `redis://127.0.0.1:${port}`
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
      await started.restart()
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
