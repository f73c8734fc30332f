import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { RedisStore } from 'connect-redis'
import type { SessionData } from 'express-session'
import { type BenchStore, baseline, type Client } from './support/contenders.ts'
import { fill, ownerOf, SESSIONS, storedRow } from './support/hot-path.ts'
import { loadChangeSave, loadTouch, type Operation } from './support/operations.ts'
import type { Benchmark, Context, Row } from './support/result.ts'
import { withServer } from './support/server.ts'
import { sessionIdOf } from './support/sessions.ts'

/** Bytes of a record. */
const SIZE = 300
const PREFIX = 'script:'

/** A script, and what it is told of a session: its id, when it ends in ms since 1970, its record now and before. */
interface Write {
  source: string
  arguments(id: string, expires: string, record: string, before: string): string[]
}

type Writes = Record<'save' | 'touch', Write>

const nothing: Write = { source: 'return 1', arguments: (id, expires) => [id, expires] }

/** The least that keeps an index: nothing is compared, and nothing that has expired is forgotten. */
const leastCommands: Writes = {
  save: {
    source: `
redis.call('SET', KEYS[1], ARGV[3], 'PXAT', ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
redis.call('PEXPIREAT', KEYS[2], ARGV[2], 'GT')
return 1`,
    arguments: (id, expires, record) => [id, expires, record],
  },
  touch: {
    source: `
redis.call('PEXPIREAT', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[2], 'XX', ARGV[2], ARGV[1])
redis.call('PEXPIREAT', KEYS[2], ARGV[2], 'GT')
return 1`,
    arguments: (id, expires) => [id, expires],
  },
}

/** What the guarantees need where record and index entry move together: the scripts of the measured build. */
async function ownScripts(build: string): Promise<Writes> {
  const folder = pathToFileURL(`${resolve(build)}/`)
  const scripts: typeof import('../src/redis/scripts/write.ts') = await import(
    new URL('redis/scripts/write.js', folder).href
  )
  const moved = (id: string, expires: string, record: string, before: string) => [
    ...[id, record, expires, ''],
    ...['1', expires, '', before],
  ]
  return {
    save: { source: scripts.writeScript.source, arguments: moved },
    touch: {
      source: scripts.touchScript.source,
      arguments: (id, expires, _cookie, before) => moved(id, expires, before, before),
    },
  }
}

export const benchmark: Benchmark = {
  about:
    'How near a store could come that moved its index of users by one script for each write, which this package does in a few of a ' +
    'hundred writes only: connect-redis itself, but that its `set` and `touch` run such a script, and that no command has a timer. ' +
    'Load, change, save; and load, touch; 300 B.',
  run: (context) =>
    withServer(async ({ client }) => {
      const stores: [string, Writes][] = [
        ['a script that does nothing', { save: nothing, touch: nothing }],
        ['the least that keeps an index', leastCommands],
        ['the scripts of this package that move an entry', await ownScripts(context.build)],
      ]
      const rows: Row[] = []
      for (const [name, writes] of stores) {
        rows.push(await measured(`save: ${name}`, loadChangeSave, writes, client, context))
        rows.push(await measured(`touch: ${name}`, loadTouch, writes, client, context))
      }
      return rows
    }),
}

async function measured(
  what: string,
  operation: Operation,
  writes: Writes,
  client: Client,
  context: Context,
): Promise<Row> {
  await client.flushDb()
  const connectRedis = await baseline(client, context, 'sess:')
  await fill(connectRedis.store, SIZE)
  await fill((await baseline(client, context, PREFIX)).store, SIZE)
  const ours = { name: 'with the script', store: await scriptStore(client, writes) }
  return storedRow(what, [connectRedis, ours], operation, context)
}

async function scriptStore(client: Client, writes: Writes): Promise<BenchStore> {
  const [save, touch] = await Promise.all([
    client.scriptLoad(writes.save.source),
    client.scriptLoad(writes.touch.source),
  ])
  const untimed = client.withCommandOptions({ timeout: undefined }) as unknown as Client
  const store = new ScriptStore(untimed, writes, { save, touch }) as unknown as BenchStore
  for (let n = 0; n < SESSIONS; n++) {
    await client.zAdd(indexOf(ownerOf(n)), { value: sessionIdOf(n), score: Date.now() + 60_000 })
  }
  return store
}

class ScriptStore extends RedisStore {
  /** What each session was when it was last read. */
  readonly #read = new Map<string, string>()

  constructor(
    readonly untimed: Client,
    readonly writes: Writes,
    readonly sha1: Record<keyof Writes, string>,
  ) {
    super({ client: untimed, prefix: PREFIX })
  }

  override async get(id: string, callback?: (error: unknown, data?: unknown) => void): Promise<void> {
    const record = String(await this.untimed.get(PREFIX + id))
    this.#read.set(id, record)
    callback?.(null, JSON.parse(record))
  }

  override async set(id: string, session: SessionData, callback?: () => void): Promise<void> {
    await this.#run('save', id, session, JSON.stringify(session))
    callback?.()
  }

  override async touch(id: string, session: SessionData, callback?: () => void): Promise<void> {
    await this.#run('touch', id, session, `{"cookie":${JSON.stringify(session.cookie)}}`)
    callback?.()
  }

  async #run(kind: keyof Writes, id: string, session: SessionData, record: string): Promise<void> {
    const expires = String(new Date(session.cookie.expires as Date).getTime())
    const before = this.#read.get(id) ?? ''
    const reply = await this.untimed.evalSha(this.sha1[kind], {
      keys: [PREFIX + id, indexOf((session as { userId?: string }).userId)],
      arguments: this.writes[kind].arguments(id, expires, record, before),
    })
    if (Number(reply) === 0 || Array.isArray(reply)) throw new Error(`The ${kind} did not take place`)
  }
}

function indexOf(userId: string | undefined): string {
  return `index:${userId}`
}
