/** A session as Redis has it. */
export interface StoredRecord {
  /** `null` if there is none, or if `foreign` is true. */
  raw: string | null
  /** The key holds a value of another Redis type. */
  foreign: boolean
  /** When Redis deletes it, in ms since 1970; `null` if it has no TTL. */
  expires: number | null
}

/** What becomes of a session's TTL, in ms since 1970. */
export type Expiry =
  | { at: number }
  /** It stays, but goes no further than `end`. A session that has none gets `else`. */
  | { keep: true; end: number; else: number }

/** A write that takes place only if the stored record is still `expected`. */
export interface Write {
  sessionId: string
  /** The raw record it was made from; `null`: there must be none. */
  expected: string | null
  record: string
  expiry: Expiry
  /** Whose index lists it from now on, and until when; `null` for an anonymous session. */
  entry: IndexEntry | null
  /** Whose index listed it until now; `null` if none did. */
  previous: IndexEntry | null
  /** How many sessions the user may have. A sign-in beyond it is refused. */
  limit?: number | undefined
  /** It may be written while Redis is full, because it takes no more memory than what it replaces. */
  isTouch?: boolean
}

export interface IndexEntry {
  owner: string
  /** ms since 1970; `null` if the record does not say. */
  until: number | null
}

/** What a removal publishes, if it removes something. */
export interface Announcement {
  channel: string
  message: string
}

export interface Removal {
  sessionId: string
  /** The raw record that may be deleted; `null`: whatever is there. */
  expected: string | null
  announcement?: Announcement | undefined
}

/**
 * `current`: the record that was there instead of the expected one; `null`: there was none. Nothing has changed then.
 * `unannounced`: it is done, but could not be published. `full`: the user has as many sessions as allowed. `deleted`: the record
 * that was deleted, if it may be another one than expected.
 */
export type Outcome =
  | { done: true; unannounced?: boolean; deleted?: string }
  | { done: false; current: string | null; full?: boolean }

export interface IndexPage {
  /** '0' after the last page. */
  cursor: string
  entries: { sessionId: string; score: number }[]
}

/** A session that was looked at, to make an index agree with it. */
export interface Seen {
  sessionId: string
  /** The score of its entry; `null` if it was not seen in the index. */
  score: number | null
  /** If it is this user's: the score that it should have. Else `null`: its entry goes. */
  wanted: number | null
  /** The record that told; `null`: there was none. */
  raw: string | null
}

/**
 * Sessions and user indexes in Redis. Every method leaves the guarantees intact after each step. One implementation is
 * atomic, for one server. The other orders its steps, for Redis Cluster, where a session and its index live apart.
 */
export interface Records {
  /** From the master, with the true expiry. */
  read(sessionIds: readonly string[]): Promise<StoredRecord[]>
  write(write: Write): Promise<Outcome>
  /** Moves a session's TTL to this time (ms since 1970), if it is later than now. Nothing happens if the session is gone. */
  touch(sessionId: string, expires: number): Promise<void>
  /** Deletes sessions that `owner` has. `done` also says that something was deleted; `current: null` that nothing was there. */
  remove(owner: string | null, removals: readonly Removal[]): Promise<Outcome[]>
  /** As `remove`; `null` if the user has no more than `limit` sessions. Simultaneous evictions stop at the limit. */
  evict(owner: string, removal: Removal, limit: number): Promise<Outcome | null>
  /** Some of a user's index entries; a session that is listed all the while comes at least once. */
  page(owner: string, cursor: string): Promise<IndexPage>
  /** Makes a user's index agree with what was seen; resolves to the ids whose record has changed since, left as they are. */
  reconcile(owner: string, seen: readonly Seen[]): Promise<string[]>
}

/** If a removal deletes one key and nothing else: an anonymous session's, that nobody is told of. */
export function isOneKey(owner: string | null, { expected, announcement }: Removal): boolean {
  return owner === null && expected !== null && !announcement
}

/** If a write moves the index entry, or makes one. If not, it touches one key only. */
export function movesEntry({ expected, entry, previous }: Write): boolean {
  if (entry === null) return previous !== null
  return expected === null || previous?.owner !== entry.owner || previous.until !== entry.until
}
