/** What Redis holds under a session's key. */
export interface StoredRecord {
  /** The record; `null` if there is none, or if `foreign` is true. */
  raw: string | null
  /** Whether the key holds a value of another Redis type. */
  foreign: boolean
  /** When Redis deletes the key, in ms since 1970; `null` if it has no TTL. */
  expires: number | null
}

/** The TTL that a write gives to a session, in ms since 1970. */
export type Expiry =
  | { at: number }
  /** The TTL stays, but ends no later than `end`. A session without a TTL gets `else`. */
  | { keep: true; end: number; else: number }

/** A write that happens only if the stored record is still `expected`. */
export interface Write {
  sessionId: string
  /** The raw record that the write is based on. `null` means that the session must not exist yet. */
  expected: string | null
  record: string
  expiry: Expiry
  /** The entry that lists the session after the write; `null` for an anonymous session. */
  entry: IndexEntry | null
  /** The entry that listed the session before; `null` if there was none. */
  previous: IndexEntry | null
  /** How many sessions the user may have. A sign-in beyond that is refused. */
  limit?: number | undefined
  /** A touch may be written while Redis is full, because it needs no more memory than the record before. */
  isTouch?: boolean
}

export interface IndexEntry {
  owner: string
  /** ms since 1970; `null` if the record has none. */
  until: number | null
}

/** The message that a removal publishes if it removes a session. */
export interface Announcement {
  channel: string
  message: string
}

export interface Removal {
  sessionId: string
  /** The raw record that may be deleted. `null` means any record. */
  expected: string | null
  announcement?: Announcement | undefined
}

/**
 * The result of a write or a removal.
 *
 * - `current`: the record that was there instead of the expected one, or `null` if there was none. Nothing was changed.
 * - `unannounced`: the removal was done, but its message could not be published.
 * - `full`: the user has as many sessions as allowed. Nothing was changed.
 * - `deleted`: the record that was deleted, if it may differ from the expected one.
 */
export type Outcome =
  | { done: true; unannounced?: boolean; deleted?: string }
  | { done: false; current: string | null; full?: boolean }

export interface IndexPage {
  /** '0' after the last page. */
  cursor: string
  entries: { sessionId: string; score: number }[]
}

/** A session that was read to correct its index entry. */
export interface Seen {
  sessionId: string
  /** The score of the entry; `null` if the index did not list the session. */
  score: number | null
  /** The right score of the entry; `null` if the session is not this user's, so that the entry must go. */
  wanted: number | null
  /** The record that was read; `null` if there was none. */
  raw: string | null
}

/**
 * Sessions and user indexes in Redis. Every method keeps the guarantees after each of its steps. One implementation is
 * atomic, for one server. The other one orders its steps, for Redis Cluster, where a session and its index live in
 * different slots.
 */
export interface Records {
  /** How many sessions to read, update or remove at a time. */
  readonly batchSize: number
  /** Reads sessions from the master, with their true expiry. */
  read(sessionIds: readonly string[]): Promise<StoredRecord[]>
  write(write: Write): Promise<Outcome>
  /** Moves a session's TTL to this time (ms since 1970) if that is later. Does nothing if the session is gone. */
  touch(sessionId: string, expires: number): Promise<void>
  /**
   * Deletes sessions of `owner`. `done` means that a session was deleted; `current: null` means that none was there.
   */
  remove(owner: string | null, removals: readonly Removal[]): Promise<Outcome[]>
  /**
   * Same as `remove`, but gives `null` if the user has no more than `limit` sessions. Simultaneous evictions stop at
   * the limit.
   */
  evict(owner: string, removal: Removal, limit: number): Promise<Outcome | null>
  /** Reads one page of a user's index. A session that stays listed all the time comes at least once. */
  page(owner: string, cursor: string): Promise<IndexPage>
  /**
   * Corrects a user's index entries. Resolves to the ids whose record has changed since it was read. Their entries stay
   * as they are.
   */
  reconcile(owner: string, seen: readonly Seen[]): Promise<string[]>
}

/** Whether a removal deletes one key and does nothing else: the session is anonymous, and no message is published. */
export function isOneKey(owner: string | null, { expected, announcement }: Removal): boolean {
  return owner === null && expected !== null && !announcement
}

/** Whether a write moves or makes an index entry. If not, it changes only the session's key. */
export function movesEntry({ expected, entry, previous }: Write): boolean {
  if (entry === null) return previous !== null
  return expected === null || previous?.owner !== entry.owner || previous.until !== entry.until
}
