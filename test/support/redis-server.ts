/**
 * How tests, the example and the benchmarks find a Redis by themselves: the first that works of
 *
 *   1. `REDIS_URL`, which may hold other people's data: use prefixes of your own and never flush;
 *   2. a `redis-server` or `valkey-server` on the PATH (`REDIS_SERVER` names another), spawned for the occasion;
 *   3. Docker, through Testcontainers, with the image that `REDIS_IMAGE` names (default `redis:8`);
 *   4. as root on Debian or Ubuntu, `apt-get install redis-server`, and then as 2.
 *
 * `TEST_REDIS=docker` means 3 and nothing else.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { onProcessEnd } from './process-end.ts'
import { expectVersionOfImage } from './server-version.ts'
import { onPath, serverBinary, spawnServer } from './spawn-server.ts'

export { type ServerHandle, type ServerOptions, serverBinary, spawnServer } from './spawn-server.ts'

export type FoundRedis = {
  url: string
  /** How the server was found, for a log line. */
  how: string
  /** Stops only what `findRedis` started. It may be called twice. */
  stop(): Promise<void>
}

const DEFAULT_IMAGE = 'redis:8'
const REDIS_PORT = 6379
const DOCKER_ANSWERS_WITHIN_MS = 10_000
const APT_WAITS_FOR_LOCK_SECONDS = 120

const NOT_FOUND = `No Redis was found. Set REDIS_URL (redis://host:port), or install a server:
  macOS            brew install redis
  Debian, Ubuntu   sudo apt-get install redis-server
  Fedora           sudo dnf install valkey
  Windows          wsl --install, then in WSL as on Ubuntu
  anywhere         start Docker; the image ${DEFAULT_IMAGE} is used, or the one that REDIS_IMAGE names`

/** Finds or starts a Redis, see above; rejects with how to install one when there is no way. */
export async function findRedis({ env = process.env } = {}): Promise<FoundRedis> {
  if (env.TEST_REDIS === 'docker') return fromDocker(env)
  if (env.TEST_REDIS) throw new Error(`TEST_REDIS may only be "docker", not "${env.TEST_REDIS}"`)
  if (env.REDIS_URL) return fromUrl(env.REDIS_URL)
  const binary = serverBinary(env)
  if (binary) return spawned(binary)
  if (dockerAnswers(env)) {
    try {
      return await fromDocker(env)
    } catch (error) {
      say(`Docker is here but gave no Redis: ${error instanceof Error ? error.message : error}`)
    }
  }
  if (canInstall(env)) return spawned(await install(env))
  throw new Error(NOT_FOUND)
}

function fromUrl(url: string): FoundRedis {
  const { host } = new URL(url)
  return { url, how: `Redis at ${host}, named by REDIS_URL`, stop: async () => {} }
}

async function spawned(binary: string): Promise<FoundRedis> {
  const server = await spawnServer({ binary })
  const how = `${server.version} (${binary}) on port ${server.port}, started for this run, nothing persisted`
  return { url: server.url, how, stop: () => server.stop() }
}

async function fromDocker(env: NodeJS.ProcessEnv): Promise<FoundRedis> {
  const { GenericContainer, Wait } = await import('testcontainers')
  const image = env.REDIS_IMAGE || DEFAULT_IMAGE
  const container = await new GenericContainer(image)
    .withExposedPorts(REDIS_PORT)
    .withWaitStrategy(Wait.forLogMessage(/Ready to accept connections/))
    .start()
  const forget = onProcessEnd(() => {
    spawnSync('docker', ['rm', '--force', '--volumes', container.getId()], { stdio: 'ignore' })
  })
  const url = `redis://${container.getHost()}:${container.getMappedPort(REDIS_PORT)}`
  const version = await expectVersionOfImage(image, url)
  let stopped: Promise<unknown> | undefined
  return {
    url,
    how: `${version} (${image}) in a container, through Testcontainers`,
    async stop() {
      stopped ??= container.stop()
      await stopped
      forget()
    },
  }
}

/** Whether to ask Testcontainers, which needs long to find out that there is no Docker. */
function dockerAnswers(env: NodeJS.ProcessEnv): boolean {
  if (env.DOCKER_HOST) return true
  const docker = onPath('docker', env)
  if (!docker) return false
  return spawnSync(docker, ['info'], { env, stdio: 'ignore', timeout: DOCKER_ANSWERS_WITHIN_MS }).status === 0
}

function canInstall(env: NodeJS.ProcessEnv): boolean {
  return process.getuid?.() === 0 && isDebianOrUbuntu() && onPath('apt-get', env) !== undefined
}

function isDebianOrUbuntu(): boolean {
  try {
    return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(readFileSync('/etc/os-release', 'utf8'))
  } catch {
    return false
  }
}

async function install(env: NodeJS.ProcessEnv): Promise<string> {
  say('No Redis was found: installing one with apt-get install redis-server')
  await aptGet(env, 'update')
  await aptGet(env, 'install', '--yes', '--no-install-recommends', 'redis-server')
  const binary = serverBinary(env)
  if (!binary) throw new Error('apt-get installed redis-server, but none is on the PATH')
  return binary
}

/** Runs apt-get with all its output on stderr. */
async function aptGet(env: NodeJS.ProcessEnv, ...args: string[]): Promise<void> {
  const patience = ['-qq', '-o', `DPkg::Lock::Timeout=${APT_WAITS_FOR_LOCK_SECONDS}`]
  const child = spawn('apt-get', [...patience, ...args], {
    env: { ...env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', process.stderr, process.stderr],
  })
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`apt-get ${args.join(' ')} failed with exit code ${code}`)
}

function say(sentence: string): void {
  process.stderr.write(`${sentence}\n`)
}
