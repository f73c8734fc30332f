/** Which record each session object was made from: it is remembered as long as the object lives. */
import type { SessionRecord } from '../session/record.ts'
import { Marks } from './marks.ts'

/** What a session object said when it was loaded or last saved. */
export interface Version {
  raw: string
  owner: string | null
  /** The user that the option `userId` named; `null` for nobody. */
  named: string | null
  /** What its data says of its owner, if that names nobody: see `lostIdIn`. */
  lostId?: string | undefined
  /** Until when the index lists the session, in ms since 1970; `null` if no index does. */
  until: number | null
  /** In ms since 1970; `null` if the record does not say. */
  created: number | null
  /** What the cookie said; `undefined` if there was none. */
  cookie: SessionRecord | undefined
  /** When the cookie expired, in ms since 1970; `null` if it did not say. */
  cookieExpires: number | null
  /** If a touch moves the expiry by the cookie's `originalMaxAge`, or by `ttl`. Else the app has set it outright. */
  rolls: boolean
}

/** A session object under a session id. */
export interface Loaded {
  sessionId: string
  /** The record it was made from, or was last saved as; `null` until it has been created. */
  version: Version | null
  /** A save whose answer was lost: it may have been written. */
  attempt?: Attempt | undefined
  /** Properties of the record that express-session's `Session` cannot hold, such as `id`. */
  unheld?: SessionRecord | undefined
  /** The same object under another session id. */
  other?: Loaded | undefined
}

export interface Attempt {
  version: Version
  /** The record that it was to replace. */
  expected: string | null
}

/** What a session object that `regenerate` makes inherits from the one before. */
export type Origin = Pick<Version, 'owner' | 'created'>

export class Versions {
  readonly #loaded = new Marks<Loaded>()
  readonly #origins = new Marks<Origin | undefined>()

  /** `data` was made from this record. */
  remember(data: object, sessionId: string, version: Version): void {
    this.#loaded.set(data, { sessionId, version })
  }

  /** `session` was made from `data`, and is as much an update of its record. */
  handOver(data: object, session: object): void {
    const loaded = this.#loaded.get(data)
    if (loaded) this.#loaded.set(session, { ...loaded, unheld: unheldBy(session, data) })
  }

  find(session: object, sessionId: string): Loaded | undefined {
    let loaded = this.#loaded.get(session)
    while (loaded && loaded.sessionId !== sessionId) loaded = loaded.other
    return loaded
  }

  findOrAdd(session: object, sessionId: string): Loaded {
    const found = this.find(session, sessionId)
    if (found) return found
    const added: Loaded = { sessionId, version: null, other: this.#loaded.get(session) }
    this.#loaded.set(session, added)
    return added
  }

  /** `session` is new, and `regenerate` made it of the session object `from`. */
  regenerated(session: object, from: object | undefined): void {
    this.#origins.set(session, from && (this.#loaded.get(from)?.version ?? this.originOf(from)))
  }

  originOf(session: object): Origin | undefined {
    return this.#origins.get(session)
  }
}

/** express-session leaves out what its own properties and methods are called. */
function unheldBy(session: object, data: object): SessionRecord | undefined {
  const names = Object.keys(data).filter((name) => !Object.prototype.propertyIsEnumerable.call(session, name))
  if (names.length === 0) return undefined
  return Object.fromEntries(names.map((name) => [name, (data as SessionRecord)[name]]))
}
