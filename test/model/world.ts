/** Reads Redis directly, and checks the rules for sessions and indexes that must hold at every moment of rest. */
import { UserSessionStore, type UserSessionStoreOptions } from '../../src/index.ts'
import { isReserved } from '../../src/redis/entry-marks.ts'
import { freshPrefixes, type Prefixes } from '../support/hooks.ts'
import type { Fields } from '../support/sessions.ts'
import type { AnyClient, Topology } from '../support/topologies.ts'

/** A session in Redis. After its `until` (ms since 1970), nobody can load it. */
export type Found = { data: Fields; expires: number; until: number | undefined; user: string | undefined }

/** The leftovers that are allowed at a moment of rest. */
export type Allowance = {
  /** Nothing is left: an entry without a session of that user is wrong. A crash or a race may leave one until the next listing. */
  strict: boolean
  /**
   * On Cluster an entry may end later than its record says, until its next write. A crash can cause this, or a race of
   * several shortening writes.
   */
  mayOutlast?: boolean
  /** On Cluster an entry may stay reserved until its own end, if its maker died or the answer was lost. */
  mayStayReserved?: boolean
  /**
   * Entries of these sessions may stay until the next listing. Each session was anonymous, and a user has just signed
   * in to it. Two commands destroy it: one for its key, and one for the user's entry. A fault may happen between the
   * two.
   */
  mayBeLeft?: ReadonlySet<string> | undefined
}

/** In ms: the default of the option `ttl`. */
const DEFAULT_TTL = 86_400_000
/** In ms: how much of a lifetime express-session's touch and the duration of a write may use up. */
const DRIFT = 50
/** In ms. */
const SOON = 1000

export class World {
  readonly prefixes: Prefixes = freshPrefixes()

  constructor(
    readonly topology: Topology,
    readonly client: AnyClient,
    readonly users: readonly string[],
  ) {}

  /** The options of all functions. */
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
    return raw === null || expires === -2 ? null : foundOf(JSON.parse(raw), expires)
  }

  /** Same as `session`, but only if the session can still be loaded. */
  async live(sessionId: string): Promise<Found | null> {
    const found = await this.session(sessionId)
    return found && isLive(found) ? found : null
  }

  /** Deletes these sessions and all indexes, so that the next world starts empty. */
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

  /** Resolves to the violations of these sessions and of the indexes of all users. Nothing may run at the same time. */
  async violations(sessionIds: readonly string[], allowance: Allowance): Promise<string[]> {
    const [sessions, indexes] = await Promise.all([this.#sessions(sessionIds), this.#indexes()])
    return [
      ...[...sessions].flatMap(([id, found]) => wrongSession(id, found, indexes, allowance)),
      ...[...indexes].flatMap(([user, index]) => wrongIndex(user, index, sessions, allowance)),
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

/** Reads the facts about a session from its record. */
export function foundOf(data: Fields, expires: number): Found {
  const { index, ...cookie } = Object(data.cookie) as { index?: { until?: number; user?: string | null } }
  const { expires: says } = cookie as { expires?: string | null }
  const outright = says == null && typeof data.expires === 'string' ? Date.parse(data.expires) : undefined
  const user = index?.user === undefined ? userOf(data) : (index.user ?? undefined)
  return { data, expires, until: index?.until ?? outright, user }
}

function isLive({ until }: Found): boolean {
  return until === undefined || until > Date.now()
}

function wrongSession(
  id: string,
  found: Found,
  indexes: Map<string, Index>,
  { mayOutlast }: Allowance,
): string[] {
  const { data, expires, until = expires, user } = found
  const wrong: string[] = []
  if (expires < 0) wrong.push(`session ${id} never expires`)
  const says = recordedExpiry(data)
  if (says !== undefined && says > expires)
    wrong.push(`session ${id} says ${iso(says)} and has ${iso(expires)}`)
  if (user === undefined || !isLive(found)) return wrong
  const score = Math.floor(indexes.get(user)?.scores.get(id) ?? Number.NaN)
  if (Number.isNaN(score)) wrong.push(`session ${id} lives and is not indexed for ${user}`)
  else if (score < until || (score > until && !mayOutlast))
    wrong.push(`session ${id} is listed until ${iso(score)}, its record says ${iso(until)}`)
  if (until < (says ?? 0)) wrong.push(`session ${id} ends ${iso(until)}, before ${iso(says ?? 0)}`)
  const most = Math.min(expires, until) + lifetimeOf(found) / 8 + DRIFT
  if (until > most) wrong.push(`session ${id} is listed until ${iso(until)}, and has ${iso(expires)}`)
  return wrong
}

function recordedExpiry({ cookie, expires }: Fields): number | undefined {
  const says = (cookie as { expires?: string | null } | undefined)?.expires ?? expires
  return typeof says === 'string' ? Date.parse(says) : undefined
}

/** In ms; 0 if the app has set the expiry outright, so that no touch moves it. */
function lifetimeOf({ data, until }: Found): number {
  const says = recordedExpiry(data)
  if (says !== undefined && says === until) return 0
  const { originalMaxAge } = Object(data.cookie) as { originalMaxAge?: number | null }
  return originalMaxAge ?? DEFAULT_TTL
}

function wrongIndex(
  user: string,
  index: Index,
  sessions: Map<string, Found>,
  { strict, mayStayReserved, mayBeLeft }: Allowance,
): string[] {
  if (index.scores.size === 0) return []
  const wrong: string[] = []
  const longest = Math.ceil(Math.max(...index.scores.values()))
  if (index.expires !== longest)
    wrong.push(`index of ${user} ends ${iso(index.expires)}, not ${iso(longest)}`)
  if (!strict) return wrong
  // A session that is to end so soon may have ended since the listing.
  const soon = Date.now() + SOON
  for (const [id, score] of index.scores) {
    const session = sessions.get(id)
    const isStale = session?.user !== user && score > soon && !mayBeLeft?.has(id)
    if (isStale && !(mayStayReserved && isReserved(score))) wrong.push(`${id} is in the index of ${user}`)
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
