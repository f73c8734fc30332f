import type { Access } from '../redis/access.ts'
import type { SessionRecord } from '../redis/records.ts'
import { cookieData, cookieExpiry } from '../session/expiry.ts'
import { createdOf } from '../session/lifetime.ts'
import { Memory } from './memory.ts'

/** What a session object says, or said when it was loaded or last saved. */
export interface Version {
  raw: string
  owner: string | null
  /** ms since 1970; `null` where the cookie does not say. */
  cookieExpires: number | null
  /** What the cookie says, but that its `expires` may be an older one; `undefined` where there is none. */
  cookie: SessionRecord | undefined
  /** ms since 1970; `null` where the record does not say. */
  created: number | null
}

/** A session object under a session id. */
export interface Loaded {
  sessionId: string
  /** The record it was made from, or was last saved as; `null` until it has been created. */
  version: Version | null
  /** The end of the saves that are under way. */
  turn?: Promise<void>
  /** The same object under another session id. */
  other?: Loaded
}

/** What a session object that `regenerate` makes inherits from the one before. */
export type Origin = Pick<Version, 'owner' | 'created'>

/** Which record each session object was made from: it is remembered as long as the object lives. */
export class LoadedSessions {
  readonly #loaded = new Memory<Loaded>()
  readonly #origins = new WeakMap<object, Origin | undefined>()

  constructor(readonly access: Access) {}

  /** `data` was made from this record. */
  remember(data: SessionRecord, sessionId: string, raw: string): void {
    const owner = this.access.ownerOf(data) ?? null
    const version = versionOf(data, raw, owner, createdOf(data))
    this.#loaded.set(data, { sessionId, version, turn: undefined, other: undefined })
  }

  /** `session` was made from `data`, and is as much an update of its record. */
  handOver(data: object, session: object): void {
    const loaded = this.#loaded.get(data)
    if (loaded) this.#loaded.set(session, copyOf(loaded))
  }

  find(session: object, sessionId: string): Loaded | undefined {
    let loaded = this.#loaded.get(session)
    while (loaded && loaded.sessionId !== sessionId) loaded = loaded.other
    return loaded
  }

  findOrAdd(session: object, sessionId: string): Loaded {
    const found = this.find(session, sessionId)
    if (found) return found
    const added = { sessionId, version: null, turn: undefined, other: this.#loaded.get(session) }
    this.#loaded.set(session, added)
    return added
  }

  /** `session` is new, and `regenerate` made it of the session object `from`. */
  regenerated(session: object, from: object | undefined): void {
    this.#origins.set(session, from && (this.#loaded.get(from)?.version ?? this.#origins.get(from)))
  }

  originOf(session: object): Origin | undefined {
    return this.#origins.get(session)
  }
}

/** Whoever saves the copy does not change the record that the other was made from. */
function copyOf({ sessionId, version, turn, other }: Loaded): Loaded {
  return { sessionId, version, turn, other }
}

export function versionOf(
  data: SessionRecord,
  raw: string,
  owner: string | null,
  created: number | null,
): Version {
  return { raw, owner, cookieExpires: cookieExpiry(data), cookie: cookieData(data), created }
}
