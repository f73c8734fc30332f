/** Remembers which record each session object was made from, for as long as the object lives. */
import type { SessionRecord } from '../session/record.ts'
import { Attached } from './attached.ts'

/** A session object's state when it was loaded or last saved. */
export interface Version {
  raw: string
  owner: string | null
  /** The user that the option `userId` named; `null` for an anonymous session. */
  named: string | null
  /** The object that the data has in place of a user id, as JSON: see `lostIdIn`. */
  lostId?: string | undefined
  /** The time until which the index lists the session, in ms since 1970; `null` if no index lists it. */
  until: number | null
  /** In ms since 1970; `null` if the record has none. */
  created: number | null
  /** The cookie's data; `undefined` if there was none. */
  cookie: SessionRecord | undefined
  /** The cookie's expiry in ms since 1970; `null` if it had none. */
  cookieExpires: number | null
  /**
   * Whether a touch moves the expiry, by the cookie's `originalMaxAge` or by `ttl`. If not, the app has set the expiry
   * outright.
   */
  rolls: boolean
}

/** What the store knows of a session object under one session id. */
export interface Loaded {
  sessionId: string
  /** The record it was made from or was last saved as; `null` until the session was created. */
  version: Version | null
  /** The moment before Redis was asked to load or create it, as `Destroyed.now` tells it. */
  since: number
  /** The last save of the object, which may be under way. */
  saving?: Promise<void> | undefined
  /** The saves since whose answers were lost, oldest first. Each may have been written. */
  attempts?: Attempt[] | undefined
  /** Properties of the record that the object does not hold. express-session's `Session` has an `id` of its own. */
  unheld?: SessionRecord | undefined
  /** Whether the object's `id` is the session's, as `all` shows it, and no part of the data. */
  showsId?: boolean
  /** The same object under another session id. */
  other?: Loaded | undefined
}

export interface Attempt {
  version: Version
  /** The record that the save should replace. */
  expected: string | null
}

/** What a new session object inherits from the one that `regenerate` replaced. */
type Origin = Pick<Version, 'owner' | 'created'>

export class Versions {
  readonly #loaded = new Attached<Loaded>()
  readonly #origins = new Attached<Origin | undefined>()

  /** Remembers that `data` was made from this record. */
  remember(data: object, sessionId: string, version: Version, since: number): void {
    this.#loaded.set(data, { sessionId, version, since })
  }

  /**
   * Passes what is known of `data` on to `session`, which was made from it. A save of either updates the same record.
   */
  handOver(data: object, session: object): void {
    const loaded = this.#loaded.get(data)
    if (!loaded) return
    const { showsId, ...known } = loaded
    const unheld = showsId
      ? { ...unheldBy(session, withoutId(data as SessionRecord)), ...loaded.unheld }
      : unheldBy(session, data)
    this.#loaded.set(session, { ...known, unheld })
    loaded.unheld = unheld
    hide(data, unheld)
  }

  /** Gives the data the session's id to show. An `id` of the data's own stays in the record. */
  showId(data: SessionRecord, sessionId: string): void {
    const loaded = this.findOrAdd(data, sessionId)
    if (Object.hasOwn(data, 'id')) loaded.unheld = { id: data.id }
    loaded.showsId = true
    data.id = sessionId
  }

  find(session: object, sessionId: string): Loaded | undefined {
    let loaded = this.#loaded.get(session)
    while (loaded && loaded.sessionId !== sessionId) loaded = loaded.other
    return loaded
  }

  findOrAdd(session: object, sessionId: string): Loaded {
    const found = this.find(session, sessionId)
    if (found) return found
    const added: Loaded = { sessionId, version: null, since: 0, other: this.#loaded.get(session) }
    this.#loaded.set(session, added)
    return added
  }

  /** Remembers that `regenerate` made the new `session` from the session object `from`, under whatever id. */
  regenerated(session: object, from: object | undefined): void {
    this.#origins.set(session, from && (this.#loaded.get(from)?.version ?? this.originOf(from)))
  }

  originOf(session: object): Origin | undefined {
    return this.#origins.get(session)
  }
}

/** Returns a copy of the data without its `id`. */
export function withoutId({ id: _, ...data }: SessionRecord): SessionRecord {
  return data
}

/**
 * express-session compares the data with its `Session` at the end of the request. What the `Session` cannot hold would
 * count as a change of every request.
 */
function hide(data: object, unheld: SessionRecord = {}): void {
  for (const name of Object.keys(unheld)) Reflect.defineProperty(data, name, { enumerable: false })
}

/** express-session leaves out properties with the names of its own properties and methods. */
function unheldBy(session: object, data: object): SessionRecord | undefined {
  const names = Object.keys(data).filter((name) => !Object.prototype.propertyIsEnumerable.call(session, name))
  if (names.length === 0) return undefined
  return Object.fromEntries(names.map((name) => [name, (data as SessionRecord)[name]]))
}
