/**
 * Touches sessions: moves their expiry.
 *
 * - A touch sends nothing if this process has written nearly the same expiry already (`touchInterval`). It also sends
 *   nothing if the app has set the expiry outright and the session has that expiry already.
 * - It is one plain command, `PEXPIREAT … GT`, as long as the index lists the session until the new expiry. That command
 *   cannot bring back a session that is gone, and it conflicts with no save.
 * - Otherwise it saves the cookie. This happens about once in an eighth of the lifetime, when the new expiry is beyond
 *   the index entry. It also happens if the cookie has changed, or if the app has lowered `ttl`. That is one script on
 *   one server. On Redis Cluster it takes three steps if the index entry moves. A cookie that has expired deletes the
 *   session.
 *
 * An object that this store has not made costs a read first.
 */
import type { Access } from '../redis/access.ts'
import { readLive } from '../redis/stored-session.ts'
import {
  cookieData,
  cookieExpiry,
  cookieOf,
  isSameCookie,
  maxAgeOf,
  plainCookie,
  saysExpiry,
} from '../session/cookie.ts'
import { expiryOf } from '../session/expiry.ts'
import { endOf } from '../session/lifetime.ts'
import { namedInRecord } from '../session/owner.ts'
import type { SessionRecord } from '../session/record.ts'
import { draftOf, touchedAge } from './draft.ts'
import { loadedOf } from './load.ts'
import type { RecentTouches } from './recent-touches.ts'
import type { Saves } from './save.ts'
import type { Loaded, Version, Versions } from './versions.ts'

/** In ms: the longest interval between two writes of the expiry, unless the app sets another. */
const longestInterval = 60_000

export class Touches {
  constructor(
    readonly access: Access,
    readonly versions: Versions,
    readonly recent: RecentTouches,
    readonly saves: Saves,
    /** In ms; `undefined` for 1 % of the session's lifetime, at most `longestInterval`. */
    readonly interval: number | undefined,
  ) {}

  /** Moves the expiry of an existing session, and saves a changed cookie. */
  async touch(sessionId: string, session: SessionRecord): Promise<void> {
    const found = this.versions.find(session, sessionId)
    // The app may not have waited for its `save()`. If that has failed, it has rejected by itself.
    if (found?.saving) await found.saving.catch(() => {})
    if (this.access.disableTouch) return
    const loaded = found ?? (await this.#load(sessionId))
    if (!loaded?.version || this.saves.isDestroyed(loaded)) return
    const expires = this.#expiryOf(session, loaded.version)
    if (this.#lacksStart(loaded.version) || !movesExpiryAlone(session, loaded.version, expires))
      return this.#saveTouch(loaded, session)
    if (hasThatExpiry(expires, loaded.version)) return
    const { until } = loaded.version
    const lifetime = maxAgeOf(session) ?? expires - Date.now()
    if (this.recent.within(this.#intervalFor(lifetime), sessionId, expires, until)) return
    if (!fitsEntry(expires, lifetime, loaded.version)) return this.#saveTouch(loaded, session)
    await this.access.records.touch(sessionId, expires)
    this.recent.remember(sessionId, expires, until)
  }

  /** Returns the latest possible end of a session object, in ms since 1970. */
  endOf(sessionId: string, session: SessionRecord): number {
    const loaded = this.versions.find(session, sessionId)
    const owner = namedInRecord(this.access.userId, session)
    return endOf(this.access, this.saves.createdAt(loaded, session, owner))
  }

  #expiryOf(session: SessionRecord, { created }: Version): number {
    return Math.min(expiryOf(session, this.access.ttl), endOf(this.access, created))
  }

  /** Whether the record lacks the creation time that `absoluteTtl` needs. */
  #lacksStart({ created }: Version): boolean {
    return this.access.absoluteTtl !== null && created === null
  }

  #intervalFor(lifetime: number): number {
    if (this.interval === undefined) return Math.min(lifetime / 100, longestInterval)
    return Math.min(this.interval, lifetime / 2)
  }

  /** An object of another library was not made from a record of this store, so the record is loaded here. */
  async #load(sessionId: string): Promise<Loaded | null> {
    const since = this.access.destroyed.now
    const session = await readLive(this.access, sessionId)
    if (session === null) return null
    return { sessionId, version: loadedOf(this.access, session, session.expires).version, since }
  }

  /** Saves the cookie with the index entry, for a touch beyond `until` or of a changed cookie. */
  #saveTouch(loaded: Loaded, session: SessionRecord): Promise<void> {
    const { sessionId } = loaded
    const cookie = JSON.parse(JSON.stringify(cookieData(session) ?? null))
    return this.access.turns.take(this.access.keys.session(sessionId), async (latest) => {
      const base = loaded.version as Version
      const data = await this.#withCookie(sessionId, base, cookie)
      const draft = await draftOf(this.access, data, base, base)
      return await this.saves.update(loaded, base, draft, { latest, isTouch: true })
    })
  }

  /** Data without a cookie stays without one, unless the new cookie sets an expiry. */
  async #withCookie(sessionId: string, base: Version, cookie: SessionRecord | null): Promise<SessionRecord> {
    const data = await this.saves.dataOf(sessionId, base)
    return cookie && (cookieOf(data) || saysExpiry(cookie)) ? { ...data, cookie } : data
  }
}

/** Whether a touch changes nothing but the expiry, which the cookie's `maxAge` moves. */
function movesExpiryAlone(session: SessionRecord, version: Version, expires: number): boolean {
  if (!isSameCookie(cookieData(session) ?? plainCookie, version.cookie)) return false
  const isSetOutright =
    cookieExpiry(session) !== version.cookieExpires && touchedAge(session, version) === null
  return !isSetOutright && expires > Date.now()
}

/**
 * Whether the index lists the session until this expiry, and not much longer. If the app has lowered `ttl` by a tenth or
 * more, the index lists it for too long, and a plain touch would not shorten it. An anonymous session needs no index.
 */
function fitsEntry(expires: number, lifetime: number, { owner, until }: Version): boolean {
  return owner === null || (until !== null && expires <= until && until - expires <= lifetime / 4)
}

/** Whether the app has set the expiry outright, and the session already has it. */
function hasThatExpiry(expires: number, { rolls, until, cookieExpires }: Version): boolean {
  return !rolls && expires === (until ?? cookieExpires)
}
