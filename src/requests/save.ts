import { type Access, readable } from '../redis/access.ts'
import { compareAndSet } from '../redis/compare-and-set.ts'
import type { SessionRecord, Touch, Write } from '../redis/records.ts'
import { parseRecord, stringifyRecord } from '../session/codec.ts'
import { badArgument } from '../session/errors.ts'
import { cookieData, cookieExpiry, cookieOf, isoTime } from '../session/expiry.ts'
import { createdOf, earliest, endOf, sealed } from '../session/lifetime.ts'
import { settleAll } from '../session/settle-all.ts'
import { touchWith, updateSessionRecord } from '../users/update.ts'
import type { Loaded, LoadedSessions, Version } from './loaded-sessions.ts'
import { isSameAge, mergeSessions } from './merge.ts'
import { RecentTouches } from './recent-touches.ts'
import { spliceExpires } from './splice-expires.ts'

/** What the store's options say about saving. */
export interface SaveRules {
  /** Whose a session object is; throws a `TypeError` where that is no user id. */
  ownerOf(session: object): string | null
  /** In ms. */
  touchInterval: number
  /** How many sessions the user may have who signs in with this one; throws a `TypeError` where that is no number of sessions. */
  limitOf(session: object): number | undefined
  /** Called, and waited for, after a session was created or has come to belong to another user. */
  signedIn(event: SignIn): Promise<void>
}

export interface SignIn {
  sessionId: string
  owner: string | null
  limit: number | undefined
  isNew: boolean
}

/** A session object as it is to be saved; `expires` in ms since 1970. */
type Save = Version & { expires: number; limit?: number | undefined }

/**
 * Saves session objects: one that was loaded, or saved before, as an update of exactly the record it was made from, any
 * other as a new session. An update of a session that is gone is dropped; an update of one that another request has saved
 * meanwhile is merged with it.
 */
export class Saves {
  /** By session id, while it is under way. */
  readonly #creating = new Map<string, Promise<void>>()
  readonly #touches = new RecentTouches()

  constructor(
    readonly access: Access,
    readonly sessions: LoadedSessions,
    readonly rules: SaveRules,
  ) {}

  /**
   * Saves of one object take turns, in the order of the calls, each with what the object said when it was called: a second save
   * in the request that creates a session must not create it again after a revocation.
   */
  save(sessionId: string, session: SessionRecord): Promise<void> {
    const loaded = this.sessions.findOrAdd(session, sessionId)
    const saving = this.#inTurn(loaded, this.#checkedSave(loaded, session), (mine) =>
      loaded.version === null ? this.#create(loaded, mine) : this.#update(loaded, loaded.version, mine),
    )
    if (loaded.version === null) this.#createsUntil(loaded.turn as Promise<void>, sessionId)
    return saving
  }

  /** Resolves when no session is being created under this id that was begun before: whoever destroys it must see it. */
  async created(sessionId: string): Promise<void> {
    await this.#creating.get(sessionId)
  }

  /** Moves the expiry, and the cookie with it, of a session that still exists. */
  async touch(sessionId: string, session: SessionRecord): Promise<void> {
    const loaded = this.sessions.find(session, sessionId)
    if (loaded && this.#mayWait(loaded, session)) return
    const said = cookieData(session)
    if (!loaded) return this.#touchUnloaded(sessionId, said)
    const expires = cookieExpiry(session)
    // While it waits for its turn, dates and objects in the cookie may change.
    const cookie = loaded.turn ? serialized(said) : said
    await this.#inTurn(loaded, undefined, () => this.#touch(loaded, cookie, expires))
    if (this.rules.touchInterval > 0) this.#touches.remember(sessionId, Date.now())
  }

  /** When a session object ends at the latest, in ms since 1970. */
  endOf(sessionId: string, session: SessionRecord): number {
    const owner = this.access.ownerOf(session) ?? null
    return endOf(this.access, this.#createdAt(this.sessions.find(session, sessionId), session, owner))
  }

  async #touchUnloaded(sessionId: string, cookie: SessionRecord | undefined): Promise<void> {
    await updateSessionRecord(this.access, sessionId, touchWith(serialized(cookie)))
  }

  /** Whether a touch changes nothing but the expiry, and that by less than `touchInterval`. */
  #mayWait({ sessionId, version }: Loaded, session: SessionRecord): boolean {
    if (this.rules.touchInterval === 0 || !version) return false
    const { cookieExpires } = version
    const expires = cookieExpiry(session)
    const maxAge = version.cookie?.originalMaxAge
    const newMaxAge = cookieOf(session)?.originalMaxAge
    // At its absolute end an expiry stands still, and the age tells when the session was used.
    if (expires === cookieExpires && expires === endOf(this.access, version.created)) {
      return isWithin(Number(maxAge) - Number(newMaxAge), this.rules.touchInterval)
    }
    if (!isSameAge(newMaxAge, maxAge)) return false
    const touchInterval = Math.min(this.rules.touchInterval, Number(maxAge ?? Number.POSITIVE_INFINITY) / 2)
    if (expires === null) return this.#touches.within(touchInterval, sessionId, Date.now())
    return isWithin(expires - (cookieExpires ?? Number.NEGATIVE_INFINITY), touchInterval)
  }

  #inTurn<T>(loaded: Loaded, prepared: T | Promise<T>, work: (prepared: T) => Promise<void>): Promise<void> {
    const { turn: before } = loaded
    const turn = before
      ? // A save that is refused ends after the one before it too: until then the next one waits, and who destroys the session.
        settleAll<unknown>([Promise.resolve(prepared), before]).then(([result]) => work(result as T))
      : prepared instanceof Promise
        ? prepared.then(work)
        : work(prepared)
    const ended = () => {
      if (loaded.turn === end) loaded.turn = undefined
    }
    const end = turn.then(ended, ended)
    loaded.turn = end
    return turn
  }

  #createsUntil(turn: Promise<void>, sessionId: string): void {
    const end = turn.then(() => {
      if (this.#creating.get(sessionId) === end) this.#creating.delete(sessionId)
    })
    this.#creating.set(sessionId, end)
  }

  async #create(loaded: Loaded, first: Save): Promise<void> {
    const { sessionId } = loaded
    let mine = first
    const write = writeOf(sessionId, mine, null, null, false)
    await compareAndSet(this.access, write, async (current) => {
      const previous = await readable(this.access, sessionId, { raw: current })
      const previousOwner = (previous && this.access.ownerOf(previous)) ?? null
      if (previous) mine = await this.#asOldAs(previous, previousOwner, sessionId, first)
      return writeOf(sessionId, mine, current, previousOwner, false)
    })
    loaded.version = mine
    if (mine.expires <= Date.now()) return
    await this.rules.signedIn({ sessionId, owner: mine.owner, limit: mine.limit, isNew: true })
  }

  /** What replaces a session of the same user under the same id is as old as that. */
  async #asOldAs(previous: SessionRecord, previousOwner: string | null, sessionId: string, mine: Save) {
    const { raw, owner, created } = mine
    const before = createdOf(previous)
    if (created === null || before === null || before >= created) return mine
    if (owner !== null && owner !== previousOwner) return mine
    return { ...(await this.#saveOf(await this.#parse(sessionId, raw), owner, before)), limit: mine.limit }
  }

  async #update(loaded: Loaded, base: Version, mine: Save): Promise<void> {
    const { sessionId } = loaded
    const keepTtl = mine.cookieExpires !== null && mine.cookieExpires === base.cookieExpires
    const write = writeOf(sessionId, mine, base.raw, base.owner, keepTtl)
    const written = await compareAndSet(this.access, write, (current) =>
      this.#merged(sessionId, base, mine, keepTtl, current),
    )
    // Remembered is what this object says, not what the merge made of it: that is what its next save is compared with.
    loaded.version = mine
    if (written && written.owner !== written.previousOwner) {
      // A merge may undo a sign-out, of which this object knew nothing.
      const limit = 'limit' in mine ? mine.limit : await this.#limitOf(written)
      await this.rules.signedIn({ sessionId, owner: written.owner, limit, isNew: false })
    }
  }

  async #limitOf({ sessionId, record, owner }: Write): Promise<number | undefined> {
    return owner === null ? undefined : this.rules.limitOf(await this.#parse(sessionId, record))
  }

  async #merged(
    sessionId: string,
    base: Version,
    mine: Save,
    keepTtl: boolean,
    current: string | null,
  ): Promise<Write | null> {
    if (current === null) return null
    const stored = await this.#parse(sessionId, current)
    const before = await this.#parse(sessionId, base.raw)
    const merged = mergeSessions(before, await this.#parse(sessionId, mine.raw), stored)
    const created = earliest(mine.created, createdOf(stored))
    const save = await this.#saveOf(merged, this.rules.ownerOf(merged), created)
    return writeOf(sessionId, save, current, this.access.ownerOf(stored) ?? null, keepTtl)
  }

  /** What tells whose a session is must be in its record too: nobody else who reads the record could know it. */
  #checkedSave(loaded: Loaded, session: SessionRecord): Save | Promise<Save> {
    const owner = this.rules.ownerOf(session)
    const isKnown = loaded.version?.owner === owner
    const save = this.#saveOf(session, owner, this.#createdAt(loaded, session, owner))
    if (isKnown && typeof session.toJSON !== 'function') return save
    return this.#recheckedSave(loaded.sessionId, session, save)
  }

  async #recheckedSave(
    sessionId: string,
    session: SessionRecord,
    saving: Save | Promise<Save>,
  ): Promise<Save> {
    const save = await saving
    const data = await readable(this.access, sessionId, save)
    if (data === null) throw badArgument('session', 'data that serializes to an object', session)
    const told = this.access.ownerOf(data) ?? null
    if (told !== save.owner)
      throw badArgument('session.userId', `in the serialized session, not ${told}`, save.owner)
    return { ...save, limit: save.owner === null ? undefined : this.rules.limitOf(session) }
  }

  async #touch(loaded: Loaded, cookie: SessionRecord | undefined, expires: number | null): Promise<void> {
    const { sessionId, version: base } = loaded
    // Not even created: the save that did not come that far rejected for itself.
    if (!base) return
    const light = this.#lightTouch(sessionId, base, cookie, expires)
    if (light && (await this.access.records.touch(light.touch))) {
      loaded.version = light.version
      return
    }
    const data = await this.#withCookie(sessionId, base.raw, cookie)
    await this.#update(loaded, base, await this.#saveOf(data, base.owner, base.created))
  }

  /**
   * A touch that changes nothing but when the cookie expires need not send the record, where nothing but JSON stands between the
   * two and the cookie alone tells the expiry.
   */
  #lightTouch(
    sessionId: string,
    base: Version,
    cookie: SessionRecord | undefined,
    expires: number | null,
  ): { touch: Touch; version: Version } | null {
    if (this.access.serializer !== JSON || this.access.absoluteTtl !== null) return null
    if (expires === null || expires <= Date.now() || !isSameButExpires(cookie, base.cookie)) return null
    const splice = spliceExpires(base.raw, isoTime(expires))
    if (splice === null) return null
    const { owner } = base
    const expected = owner === null ? base.raw : splice.from
    return {
      touch: { sessionId, owner, expires, expected, head: splice.to },
      version: { ...base, raw: splice.raw, cookieExpires: expires },
    }
  }

  /** Data that has no cookie keeps none, unless the new one says something. */
  async #withCookie(
    sessionId: string,
    raw: string,
    cookie: SessionRecord | undefined,
  ): Promise<SessionRecord> {
    const data = await this.#parse(sessionId, raw)
    const says = cookie?.expires != null || cookie?.originalMaxAge != null
    return cookieOf(data) || says ? { ...data, cookie: serialized(cookie) } : data
  }

  #saveOf(session: SessionRecord, owner: string | null, start: number | null): Save | Promise<Save> {
    const { data, created, expires } = sealed(this.access, session, start)
    const record = stringifyRecord(this.access.serializer, data)
    const cookieExpires = cookieExpiry(data)
    const cookie = cookieData(data)
    const save = (raw: string): Save => ({
      raw,
      owner,
      cookieExpires,
      cookie,
      created,
      expires,
    })
    return typeof record === 'string' ? save(record) : record.then(save)
  }

  /** When a session was created, for `absoluteTtl`; not by what the object says, unless that is longer ago. */
  #createdAt(loaded: Loaded | undefined, session: SessionRecord, owner: string | null): number | null {
    if (this.access.absoluteTtl === null) return null
    if (loaded?.version) return loaded.version.created ?? Date.now()
    const origin = this.sessions.originOf(session)
    const inherited = origin && (owner === null || owner === origin.owner) ? origin.created : null
    return earliest(inherited, createdOf(session), Date.now())
  }

  #parse(sessionId: string, raw: string): SessionRecord | Promise<SessionRecord> {
    return parseRecord(this.access.serializer, raw, this.access.keys.session(sessionId))
  }
}

function writeOf(
  sessionId: string,
  { raw, owner, expires }: Save,
  expected: string | null,
  previousOwner: string | null,
  keepTtl: boolean,
): Write {
  return { sessionId, expected, record: raw, expires, keepTtl, owner, previousOwner }
}

function serialized(cookie: SessionRecord | undefined): SessionRecord | undefined {
  return cookie && JSON.parse(JSON.stringify(cookie))
}

function isSameButExpires(cookie: SessionRecord = {}, other: SessionRecord = {}): boolean {
  return agreesWith(cookie, other) && agreesWith(other, cookie)
}

/** An object, which express-session never puts there, may have changed and be the same. */
function agreesWith(cookie: SessionRecord, other: SessionRecord): boolean {
  for (const name in cookie) {
    const value = cookie[name]
    if (name !== 'expires' && (value !== other[name] || Object(value) === value)) return false
  }
  return true
}

function isWithin(ms: number, interval: number): boolean {
  return ms >= 0 && ms < interval
}
