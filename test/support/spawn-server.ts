/**
 * Redis or Valkey as a child process on a loopback port. It persists nothing and leaves nothing behind.
 *
 * The port is below every system's ephemeral range. The server's own bind decides whether the port is free. So there
 * is no gap between a probe and the bind. A client that reconnects to a dead server cannot connect to itself there. TCP
 * connects to itself if the kernel picks the target's port as the source.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { onProcessEnd } from './process-end.ts'

const LOWEST_PORT = 12_000
const HIGHEST_PORT = 32_000
const BIND_ATTEMPTS = 10
/** The output of a server that accepts connections. */
const READY = /Ready to accept connections|Sentinel ID is|Sentinel new ID/
const PORT_TAKEN = /Address already in use|Failed listening on port/

export type ServerOptions = {
  /** Path or name of the server's binary; default: `serverBinary()`. */
  binary?: string
  /** Further lines of redis.conf, such as `cluster-enabled yes`. Called again for each port that is tried. */
  settings?: (port: number) => string[]
  /** Run as Sentinel. */
  sentinel?: boolean
}

export type ServerHandle = {
  readonly url: string
  readonly port: number
  /** Of the process that runs now or ran last; changes with `restart`. */
  readonly pid: number
  /** Such as `Redis 7.0.15`. */
  readonly version: string
  /** True between `kill` or a death of its own and `restart`. */
  readonly dead: boolean
  /** True between `pause` and `resume`. */
  readonly paused: boolean
  /** SIGKILL, as a crash does; resolves when the process is gone. */
  kill(): Promise<void>
  /** Starts a dead server again on the same port, empty (nothing was persisted); resolves when it answers. */
  restart(): Promise<void>
  /** SIGSTOP: connections stay open and nothing answers. */
  pause(): Promise<void>
  /** SIGCONT. */
  resume(): Promise<void>
  /** Ends the process and removes its directory; may be called twice. */
  stop(): Promise<void>
}

type Running = { child: ChildProcess; version: string }

/**
 * Chooses the server, only here: `REDIS_SERVER` (a path or a name on the PATH) if set, else `redis-server`, else
 * `valkey-server`. Returns undefined if there is none. Throws if `REDIS_SERVER` does not exist.
 */
export function serverBinary(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const wanted = env.REDIS_SERVER
  if (!wanted) return onPath('redis-server', env) ?? onPath('valkey-server', env)
  const found = wanted.includes('/') ? wanted : onPath(wanted, env)
  if (!found || !isExecutable(found)) throw new Error(`REDIS_SERVER names no program: ${wanted}`)
  return found
}

/** The full path of a program on the PATH. */
export function onPath(program: string, env: NodeJS.ProcessEnv = process.env): string | undefined {
  const folders = (env.PATH ?? '').split(delimiter).filter(Boolean)
  return folders.map((folder) => join(folder, program)).find(isExecutable)
}

/** Starts a server on a free loopback port and resolves when it accepts connections. */
export async function spawnServer(options: ServerOptions = {}): Promise<ServerHandle> {
  const binary = options.binary ?? serverBinary()
  if (!binary)
    throw new Error('No redis-server or valkey-server on the PATH: install one, or set REDIS_SERVER')
  for (let attempt = 1; ; attempt++) {
    const port = freePortCandidate()
    const directory = mkdtempSync(join(tmpdir(), 'redis-user-sessions-'))
    try {
      return await startServer(binary, port, directory, options)
    } catch (error) {
      rmSync(directory, { recursive: true, force: true })
      if (attempt === BIND_ATTEMPTS || !isPortTaken(error)) throw error
    }
  }
}

/** A port that is probably free. The bind decides. */
export function freePortCandidate(): number {
  return randomInt(LOWEST_PORT, HIGHEST_PORT)
}

async function startServer(
  binary: string,
  port: number,
  directory: string,
  { settings, sentinel }: ServerOptions,
): Promise<ServerHandle> {
  const config = join(directory, 'server.conf')
  writeFileSync(config, [...configuration(port, directory), ...(settings?.(port) ?? []), ''].join('\n'))
  const args = sentinel ? [config, '--sentinel'] : [config]
  let { child, version } = await run(binary, args)
  let paused = false
  const forget = onProcessEnd(() => {
    child.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true })
  })

  const handle: ServerHandle = {
    url: `redis://127.0.0.1:${port}`,
    port,
    version,
    get pid() {
      return child.pid ?? Number.NaN
    },
    get dead() {
      return hasEnded(child)
    },
    get paused() {
      return paused
    },
    async kill() {
      paused = false
      await end(child)
    },
    async restart() {
      if (!hasEnded(child)) throw new Error(`The server on port ${port} is still running`)
      child = (await run(binary, args)).child
    },
    async pause() {
      paused = child.kill('SIGSTOP')
    },
    async resume() {
      child.kill('SIGCONT')
      paused = false
    },
    async stop() {
      await handle.kill()
      forget()
      rmSync(directory, { recursive: true, force: true })
    },
  }
  return handle
}

function configuration(port: number, directory: string): string[] {
  return [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${directory}`,
    'save ""',
    'appendonly no',
    'daemonize no',
    'logfile ""',
  ]
}

/** Runs the program until it is ready. Rejects with its output if it ends before. */
async function run(binary: string, args: string[]): Promise<Running> {
  const child = spawn(binary, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  const forget = onProcessEnd(() => child.kill('SIGKILL'))
  try {
    const version = await readiness(child)
    letGo(child)
    return { child, version }
  } finally {
    forget()
  }
}

async function readiness(child: ChildProcess): Promise<string> {
  const said: string[] = []
  const { stdout, stderr } = child
  if (!stdout || !stderr) throw new Error('The server was spawned without pipes')
  stderr.on('data', (chunk) => said.push(String(chunk)))
  // Only then all that the server has said is read, on both pipes.
  const closed = new Promise((resolve) => child.once('close', resolve))
  const failed = once(child, 'error').then(([error]) => Promise.reject(error))
  const ready = (async () => {
    for await (const line of createInterface({ input: stdout })) {
      said.push(line)
      if (READY.test(line)) return
    }
    await closed
    throw new Error(`${child.spawnfile} ended before it was ready:\n${said.join('\n')}`)
  })()
  await Promise.race([ready, failed])
  const [, name, number] = /(Redis|Valkey) version=([\d.]+)/i.exec(said.join('\n')) ?? []
  return `${name ?? 'unknown'} ${number ?? 'version'}`
}

/** Keeps reading the server's output, because a full pipe would block it. It does not keep this process alive. */
function letGo(child: ChildProcess): void {
  child.unref()
  for (const stream of [child.stdout, child.stderr]) {
    stream?.resume()
    if (stream instanceof Socket) stream.unref()
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return
  child.ref()
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

/** Whether a server ended because another one uses its port. */
export function isPortTaken(error: unknown): boolean {
  return error instanceof Error && PORT_TAKEN.test(error.message)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
