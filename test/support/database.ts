/** A client, prefixes for each test, and access to what Redis holds under them. */
import { UserSessionStore, type UserSessionStoreOptions } from '../../src/index.ts'
import { connect, freshPrefixes, type Prefixes, type TestClient } from './hooks.ts'
import { askForIfeq } from './ifeq.ts'

export const SECOND = 1000
export const MINUTE = 60 * SECOND
export const HOUR = 60 * MINUTE

export class Database {
  client!: TestClient
  prefixes!: Prefixes
  /** When the test began, in ms since 1970. */
  started!: number

  /** The options of all seven functions. */
  get options() {
    return { client: this.client, ...this.prefixes }
  }

  store(options: Partial<UserSessionStoreOptions> = {}): UserSessionStore {
    return new UserSessionStore({ ...this.options, ...options })
  }

  sessionKey(sessionId: string): string {
    return this.prefixes.prefix + sessionId
  }

  indexKey(userId: string): string {
    return `${this.prefixes.userPrefix}${userId}:sessions`
  }

  raw(sessionId: string): Promise<string | null> {
    return this.client.get(this.sessionKey(sessionId))
  }

  async record(sessionId: string): Promise<Record<string, unknown> & { cookie: Record<string, unknown> }> {
    return JSON.parse((await this.raw(sessionId)) ?? 'null')
  }

  /** When Redis deletes a session, in ms since 1970; -1 never, -2 there is none. */
  expiry(sessionId: string): Promise<number> {
    return this.client.pExpireTime(this.sessionKey(sessionId))
  }

  /** Session ids of a user's index with their scores. */
  async index(userId: string): Promise<Record<string, number>> {
    const entries = await this.client.zRangeWithScores(this.indexKey(userId), 0, -1)
    return Object.fromEntries(entries.map(({ value, score }) => [value, score]))
  }

  indexExpiry(userId: string): Promise<number> {
    return this.client.pExpireTime(this.indexKey(userId))
  }

  /** All keys under both prefixes. */
  async keys(): Promise<string[]> {
    const keys = new Set<string>()
    for (const prefix of Object.values(this.prefixes)) {
      for await (const batch of this.client.scanIterator({ MATCH: `${escapeGlob(prefix)}*`, COUNT: 1000 })) {
        for (const key of batch) keys.add(key)
      }
    }
    return [...keys].sort()
  }

  /** All keys under both prefixes with their types, values and expiries: equal before and after means unchanged. */
  async dump(): Promise<Record<string, unknown>> {
    const keys = await this.keys()
    const values = keys.map(async (key) => {
      const type = await this.client.type(key)
      return [key, { type, expires: await this.client.pExpireTime(key), value: await this.#value(key, type) }]
    })
    return Object.fromEntries(await Promise.all(values))
  }

  async #value(key: string, type: string): Promise<unknown> {
    if (type === 'string') return this.client.get(key)
    if (type === 'zset') return this.client.zRangeWithScores(key, 0, -1)
    if (type === 'hash') return { ...(await this.client.hGetAll(key)) }
    return this.client.lRange(key, 0, -1)
  }
}

/** To be called in a `describe`: its tests share a client, and each has prefixes of its own. */
export function useDatabase(): Database {
  const database = new Database()
  before(async () => {
    database.client = await connect()
    await askForIfeq(database.client, `${freshPrefixes().prefix}asked-for-ifeq`)
  })
  beforeEach(() => {
    database.prefixes = freshPrefixes()
    database.started = Date.now()
  })
  after(() => database.client.close())
  return database
}

/** An ISO 8601 timestamp `ms` from now. */
export function inMs(ms: number): string {
  return new Date(Date.now() + ms).toISOString()
}

/** Resolves to the error of a promise that rejects. Fails if the promise does not reject. */
export async function rejection(promise: Promise<unknown>): Promise<Error> {
  const result = await promise.then(
    (value) => ({ value }),
    (error: Error) => ({ error }),
  )
  if ('error' in result) return result.error
  throw new Error(`resolved to ${String(result.value)} instead of rejecting`)
}

function escapeGlob(text: string): string {
  return text.replace(/[\\*?[\]]/g, '\\$&')
}
