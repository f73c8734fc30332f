/**
 * An app that keeps signing in, changing, using and signing out sessions while `reindex` runs. Afterwards, its state is
 * checked.
 */
import { RedisStore } from 'connect-redis'
import type { SessionData } from 'express-session'
import { UserSessionStore } from '../../../src/index.ts'
import type { Prefixes, TestClient } from '../../support/hooks.ts'

const HOUR = 3_600_000
const BATCH = 1000
const ACTORS = 4

export const userOf = (n: number, users: number) => `user-${n % users}`

/** Sessions number 0 and up, of so many users, as connect-redis writes them. */
export async function fillLikeConnectRedis(
  client: TestClient,
  { prefix, sessions, users }: { prefix: string; sessions: number; users: number },
): Promise<void> {
  const store = new RedisStore({ client, prefix })
  for (let start = 0; start < sessions; start += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, sessions - start) }, (_, n) => start + n)
    await Promise.all(batch.map((n) => store.set(`old-${n}`, sessionOf(userOf(n, users)))))
  }
}

function sessionOf(userId: string): SessionData {
  const cookie = { originalMaxAge: HOUR, expires: new Date(Date.now() + HOUR), httpOnly: true, path: '/' }
  return { cookie, userId, views: 0 } as unknown as SessionData
}

export class LiveApp {
  readonly #store: UserSessionStore
  readonly #destroyed = new Set<string>()
  readonly #actors: Promise<void>[] = []
  #running = true
  #operations = 0

  constructor(
    readonly client: TestClient,
    readonly options: Prefixes & { sessions: number; users: number },
  ) {
    const { prefix, userPrefix } = options
    this.#store = new UserSessionStore({ client, prefix, userPrefix })
  }

  start(): void {
    for (let n = 0; n < ACTORS; n++) this.#actors.push(this.#act(n))
  }

  /** Resolves to the operations of the app. */
  async stop(): Promise<{ operations: number; destroyed: Set<string> }> {
    this.#running = false
    await Promise.all(this.#actors)
    return { operations: this.#operations, destroyed: this.#destroyed }
  }

  async #act(actor: number): Promise<void> {
    const work = [this.#signIn, this.#change, this.#use, this.#signOut]
    for (let n = actor; this.#running; n++) {
      await work[n % work.length]?.call(this, n)
      this.#operations++
    }
  }

  async #signIn(n: number): Promise<void> {
    const userId = userOf(n, this.options.users)
    await this.#store.set(`new-${n}-${this.#operations}`, sessionOf(userId))
  }

  async #change(): Promise<void> {
    const [id, session] = await this.#load()
    if (session) await this.#store.set(id, Object.assign(session, { changed: this.#operations }))
  }

  async #use(): Promise<void> {
    const [id, session] = await this.#load()
    if (!session) return
    session.cookie.expires = new Date(Date.now() + 2 * HOUR)
    await this.#store.touch(id, session)
  }

  async #signOut(): Promise<void> {
    const id = this.#anyId()
    this.#destroyed.add(id)
    await this.#store.destroy(id)
  }

  async #load(): Promise<[string, SessionData | null]> {
    const id = this.#anyId()
    return [id, await this.#store.get(id)]
  }

  #anyId(): string {
    return `old-${Math.floor(Math.random() * this.options.sessions)}`
  }
}

/**
 * Finds errors in the index. A live session may be missing, or be listed for another time than its record or TTL has.
 */
export async function wronglyIndexed(
  client: TestClient,
  { prefix, userPrefix }: Prefixes,
): Promise<{ live: string[]; wrong: string[] }> {
  const live: string[] = []
  const wrong: string[] = []
  for await (const keys of client.scanIterator({ MATCH: `${prefix}*`, COUNT: BATCH })) {
    const ids = keys.map((key) => key.slice(prefix.length))
    const looks = ids.map(async (id, n) => {
      const [record, expires] = await Promise.all([
        client.get(keys[n] as string),
        client.pExpireTime(keys[n] as string),
      ])
      if (record === null) return
      const { userId, cookie } = JSON.parse(record)
      const score = await client.zScore(`${userPrefix}${userId}:sessions`, id)
      live.push(id)
      const until = cookie.index?.until ?? expires
      if (score !== until || until < expires) wrong.push(`${id} of ${userId}: TTL ${expires}, index ${score}`)
    })
    await Promise.all(looks)
  }
  return { live: [...new Set(live)], wrong }
}
