/**
 * A short list of sign-ins and sign-outs that outlives the sessions. It is written from the events of the
 * store.
 */
import type { DestroyedEvent, UserSessionStore } from 'redis-user-sessions'
import type { DescribePlace } from './places.ts'
import type { Redis } from './store.ts'
import { describeDevice, type Kind } from './words.ts'

/** A session that is or was. */
export type Visit = {
  handle: string
  name: string
  kind: Kind
  ip?: string
  place?: string
  signedInAt: Date
  remembered: boolean
  endedAt?: Date
  how?: string
}

type Begin = { type: 'begin'; handle: string; userAgent?: string; ip?: string; browser?: string } & {
  signedInAt?: string
  remembered?: boolean
  continues?: string
}
type End = { type: 'end'; handle: string; reason: DestroyedEvent['reason'] }
type Entry = (Begin | End) & { at: Date }

const MOST_ENTRIES = 100
const KEPT_DAYS = 90

const ENDED: Record<DestroyedEvent['reason'], string> = {
  logout: 'Signed out on the device',
  revoked: 'Signed out from elsewhere',
  limit: 'Signed out, because there were too many devices',
  missed: 'Signed out from elsewhere',
}

export class History {
  readonly #client: Redis
  readonly #store: UserSessionStore
  readonly #prefix: string
  readonly #describePlace: DescribePlace

  constructor(client: Redis, store: UserSessionStore, prefix: string, describePlace: DescribePlace) {
    this.#client = client
    this.#store = store
    this.#prefix = prefix
    this.#describePlace = describePlace
    // A history with a hole is better than a sign-in that fails because of it.
    const log = (error: unknown) => console.error(error)
    store.on('created', ({ sessionId, handle, userId }) => {
      if (userId !== null) this.#began(userId, handle, sessionId).catch(log)
    })
    store.on('destroyed', ({ handle, userId, reason }) => {
      if (userId !== null) this.#add(userId, { type: 'end', handle, reason }).catch(log)
    })
  }

  async #began(userId: string, handle: string, sessionId: string): Promise<void> {
    const data = await this.#store.get(sessionId)
    if (!data) return
    const { userAgent, ip, browser, signedInAt, remembered, continues } = data
    const begin = { handle, userAgent, ip, browser, signedInAt, remembered, continues }
    await this.#add(userId, { type: 'begin', ...begin })
  }

  /** Every process that has a subscriber hears of an end: the same entry is kept once, under its first time. */
  async #add(userId: string, entry: Begin | End): Promise<void> {
    const key = this.#key(userId)
    await Promise.all([
      this.#client.zAdd(key, { score: Date.now(), value: JSON.stringify(entry) }, { condition: 'NX' }),
      this.#client.zRemRangeByRank(key, 0, -MOST_ENTRIES - 1),
      this.#client.expire(key, KEPT_DAYS * 86_400),
    ])
  }

  /** Whether the user has signed in with this browser before. */
  async knows(userId: string, browser: string): Promise<boolean> {
    const entries = await this.#entries(userId)
    return entries.some((entry) => entry.type === 'begin' && entry.browser === browser)
  }

  /** The latest first. `live` are the handles of the sessions that there are. */
  async visits(userId: string, live: ReadonlySet<string>): Promise<Visit[]> {
    const entries = await this.#entries(userId)
    const begins = entries.filter((entry) => entry.type === 'begin')
    const ends = new Map<string, End & { at: Date }>()
    for (const entry of entries)
      if (entry.type === 'end' && !ends.has(entry.handle)) ends.set(entry.handle, entry)
    // A new password gives a session another id, and the visit continues.
    const continued = new Set(begins.map(({ continues }) => continues))
    const visits = begins.filter(({ handle }) => !continued.has(handle)).reverse()
    return Promise.all(visits.map((begin) => this.#visit(begin, ends.get(begin.handle), live)))
  }

  async #visit(
    begin: Begin & { at: Date },
    end: (End & { at: Date }) | undefined,
    live: ReadonlySet<string>,
  ) {
    const { handle, userAgent, ip, signedInAt, remembered, at } = begin
    const isOver = !live.has(handle)
    return {
      ...describeDevice(userAgent),
      handle,
      ip,
      place: ip === undefined ? undefined : await this.#describePlace(ip),
      signedInAt: signedInAt === undefined ? at : new Date(signedInAt),
      remembered: remembered === true,
      endedAt: isOver ? end?.at : undefined,
      // The store does not announce that a session has expired.
      how: isOver ? (end ? ENDED[end.reason] : 'Ended by itself, because it was not used') : undefined,
    }
  }

  async #entries(userId: string): Promise<Entry[]> {
    const entries = await this.#client.zRangeWithScores(this.#key(userId), 0, -1)
    return entries.map(({ value, score }) => ({ ...JSON.parse(value), at: new Date(score) }))
  }

  #key(userId: string): string {
    return `${this.#prefix}history:${userId}`
  }
}
