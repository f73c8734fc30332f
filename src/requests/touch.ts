/**
 * Touches sessions: moves when they expire. As long as the index lists the session long enough, that is one plain command, which
 * cannot bring back a session that is gone and conflicts with no save.
 */
import { type Access, readLive } from '../redis/access.ts'
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

/** In ms: the longest interval between the touches of a session, unless the app says another. */
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

  /** Moves the expiry of a session that still exists, and keeps what else has changed in its cookie. */
  async touch(sessionId: string, session: SessionRecord): Promise<void> {
    const loaded = this.versions.find(session, sessionId) ?? (await this.#load(sessionId))
    if (loaded === null) return
    if (loaded.version === null) await this.access.turns.made(this.access.keys.session(sessionId))
    // Not even created: the save that did not come that far rejected for itself.
    if (loaded.version === null) return
    const expires = this.#expiryOf(session, loaded.version)
    if (this.#lacksStart(loaded.version) || !movesExpiryAlone(session, loaded.version, expires))
      return this.#saveCookie(loaded, session)
    if (isThere(expires, loaded.version)) return
    const { until } = loaded.version
    const interval = this.#intervalOf(session, expires)
    if (this.recent.within(interval, sessionId, expires, until)) return
    if (!isListedAt(expires, loaded.version)) return this.#saveCookie(loaded, session)
    await this.access.records.touch(sessionId, expires)
    this.recent.remember(sessionId, expires, until)
  }

  /** When a session object ends at the latest, in ms since 1970. */
  endOf(sessionId: string, session: SessionRecord): number {
    const loaded = this.versions.find(session, sessionId)
    const owner = namedInRecord(this.access.userId, session)
    return endOf(this.access, this.saves.createdAt(loaded, session, owner))
  }

  #expiryOf(session: SessionRecord, { created }: Version): number {
    return Math.min(expiryOf(session, this.access.ttl), endOf(this.access, created))
  }

  /** If its record must say from now on when the session began. */
  #lacksStart({ created }: Version): boolean {
    return this.access.absoluteTtl !== null && created === null
  }

  #intervalOf(session: SessionRecord, expires: number): number {
    const lifetime = maxAgeOf(session) ?? expires - Date.now()
    if (this.interval === undefined) return Math.min(lifetime / 100, longestInterval)
    return Math.min(this.interval, lifetime / 2)
  }

  /** What another library hands over was not made from a record of this store. */
  async #load(sessionId: string): Promise<Loaded | null> {
    const session = await readLive(this.access, sessionId)
    return session && { sessionId, version: loadedOf(this.access, session, session.expires).version }
  }

  /** A touch beyond `until`, or of a cookie that has changed, saves the cookie, and its index entry with it. */
  #saveCookie(loaded: Loaded, session: SessionRecord): Promise<void> {
    const { sessionId } = loaded
    const cookie = JSON.parse(JSON.stringify(cookieData(session) ?? null))
    return this.access.turns.take(this.access.keys.session(sessionId), async (latest) => {
      const base = loaded.version as Version
      const data = await this.#withCookie(sessionId, base, cookie)
      const draft = await draftOf(this.access, data, base, base)
      return this.saves.update(loaded, base, draft, { latest, isTouch: true })
    })
  }

  /** Data that has no cookie keeps none, unless the new one says something. */
  async #withCookie(sessionId: string, base: Version, cookie: SessionRecord | null): Promise<SessionRecord> {
    const data = await this.saves.dataOf(sessionId, base)
    return cookie && (cookieOf(data) || saysExpiry(cookie)) ? { ...data, cookie } : data
  }
}

/** If a touch moves nothing but the expiry, as the cookie says. */
function movesExpiryAlone(session: SessionRecord, version: Version, expires: number): boolean {
  if (!isSameCookie(cookieData(session) ?? plainCookie, version.cookie)) return false
  const isSetOutright =
    cookieExpiry(session) !== version.cookieExpires && touchedAge(session, version) === null
  return !isSetOutright && expires > Date.now()
}

/** If the index lists the session long enough for this expiry, or never has to. */
function isListedAt(expires: number, { owner, until }: Version): boolean {
  return owner === null || (until !== null && expires <= until)
}

/** If the app has set the expiry outright, and the session has it already. */
function isThere(expires: number, { rolls, until, cookieExpires }: Version): boolean {
  return !rolls && expires === (until ?? cookieExpires)
}
