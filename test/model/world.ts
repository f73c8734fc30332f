/** Redis as a test reads it itself, checked against what must hold of sessions and indexes at every moment of rest. */
import { UserSessionStore, type UserSessionStoreOptions } from '../../src/index.ts'
import { freshPrefixes, type Prefixes } from '../support/hooks.ts'
import type { Fields } from '../support/sessions.ts'
import type { AnyClient, Topology } from '../support/topologies.ts'

export type Found = { data: Fields; expires: number }

export class World {
  readonly prefixes: Prefixes = freshPrefixes()

  constructor(
    readonly topology: Topology,
    readonly client: AnyClient,
    readonly users: readonly string[],
  ) {}

  /** What every function takes. */
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

  async session(sessionId: string): Promise<Found | null> {
    const key = this.sessionKey(sessionId)
    const [raw, expires] = await Promise.all([this.client.get(key), this.client.pExpireTime(key)])
    return raw === null || expires === -2 ? null : { data: JSON.parse(raw), expires }
  }

  /** Deletes these sessions and all indexes, so that the next world finds an empty place. */
  async wipe(sessionIds: readonly string[]): Promise<void> {
    const keys = [
      ...sessionIds.map((id) => this.sessionKey(id)),
      ...this.users.map((user) => this.indexKey(user)),
    ]
    await Promise.all(keys.map((key) => this.client.del(key)))
  }

  /** All keys under both prefixes, on all masters. */
  async keys(): Promise<string[]> {
    const found: string[] = []
    for (const { admin } of await this.topology.masters()) {
      for (const prefix of Object.values(this.prefixes)) found.push(...(await admin.keys(`${prefix}*`)))
    }
    return found
  }

  /**
   * What is wrong with these sessions and the indexes of all users; nothing may run meanwhile. `strict`: also an entry without a
   * session of that user is wrong, which a crash, or on Cluster a race, may leave until the next listing. `mayOutlast`: an entry may
   * be longer than its session, which on Cluster a race of several that shorten it may leave until its next write.
   */
  async violations(
    sessionIds: readonly string[],
    { strict, mayOutlast = false }: { strict: boolean; mayOutlast?: boolean },
  ): Promise<string[]> {
    const [sessions, indexes] = await Promise.all([this.#sessions(sessionIds), this.#indexes()])
    return [
      ...[...sessions].flatMap(([id, found]) => wrongSession(id, found, indexes, mayOutlast)),
      ...[...indexes].flatMap(([user, index]) => wrongIndex(user, index, sessions, strict)),
    ]
  }

  async #sessions(sessionIds: readonly string[]): Promise<Map<string, Found>> {
    const found = await Promise.all(sessionIds.map(async (id) => [id, await this.session(id)] as const))
    return new Map(found.filter((each): each is [string, Found] => each[1] !== null))
  }

  async #indexes(): Promise<Map<string, Index>> {
    return new Map(
      await Promise.all(this.users.map(async (user) => [user, await this.#index(user)] as const)),
    )
  }

  async #index(userId: string): Promise<Index> {
    const key = this.indexKey(userId)
    const [entries, expires] = await Promise.all([
      this.client.zRangeWithScores(key, 0, -1),
      this.client.pExpireTime(key),
    ])
    return { scores: new Map(entries.map(({ value, score }) => [value, score])), expires }
  }
}

type Index = { scores: Map<string, number>; expires: number }

function wrongSession(
  id: string,
  { data, expires }: Found,
  indexes: Map<string, Index>,
  mayOutlast: boolean,
): string[] {
  const wrong: string[] = []
  if (expires < 0) wrong.push(`session ${id} never expires`)
  const cookie = data.cookie as { expires?: string | null } | undefined
  const says = cookie?.expires ?? (data.expires as string | undefined)
  if (says && Date.parse(says) !== expires) wrong.push(`session ${id} says ${says} and has ${iso(expires)}`)
  const user = userOf(data)
  if (user === undefined) return wrong
  const score = indexes.get(user)?.scores.get(id)
  if (score === undefined) wrong.push(`session ${id} lives and is not indexed for ${user}`)
  else if (score < expires || (score > expires && !mayOutlast))
    wrong.push(`session ${id} ends ${iso(expires)}, the index says ${iso(score)}`)
  return wrong
}

function wrongIndex(user: string, index: Index, sessions: Map<string, Found>, strict: boolean): string[] {
  if (index.scores.size === 0) return []
  const wrong: string[] = []
  const longest = Math.floor(Math.max(...index.scores.values()))
  if (index.expires !== longest)
    wrong.push(`index of ${user} ends ${iso(index.expires)}, not ${iso(longest)}`)
  if (!strict) return wrong
  const now = Date.now()
  for (const [id, score] of index.scores) {
    const session = sessions.get(id)
    if ((!session || userOf(session.data) !== user) && score > now)
      wrong.push(`${id} is in the index of ${user}`)
  }
  return wrong
}

/** By the store's default. */
export function userOf({ userId, passport }: Fields): string | undefined {
  return (userId ?? (passport as { user?: string } | undefined)?.user) as string | undefined
}

function iso(ms: number): string {
  return ms < 0 ? String(ms) : new Date(ms).toISOString()
}
