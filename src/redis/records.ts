/** Session data as it is serialized. */
export type SessionRecord = Record<string, unknown>

/** A session as Redis has it. */
export interface StoredRecord {
  /** `null` where there is none, or where `foreign` is true. */
  raw: string | null
  /** The key holds a value of another Redis type. */
  foreign: boolean
  /** When Redis deletes it, in ms since 1970; `null` where it has no TTL. */
  expires: number | null
}

/** A write that takes place only if the stored record is still `expected`. */
export interface Write {
  sessionId: string
  /** The raw record it was made from; `null`: there must be none. */
  expected: string | null
  record: string
  /** ms since 1970. */
  expires: number
  /** Leave the TTL as it is, where there is one, and use `expires` only where there is none. */
  keepTtl: boolean
  /** Whose index lists it from now on; `null` for an anonymous session. */
  owner: string | null
  /** Whose index listed it until now, where that is known. */
  previousOwner: string | null
}

/** A write that changes nothing but how a record begins, and its expiry. */
export interface Touch {
  sessionId: string
  /** How the record is expected to begin; without an owner, the whole record. */
  expected: string
  /** What it begins with from now on: no longer than `expected`. */
  head: string
  /** ms since 1970. */
  expires: number
  /** Whose index is expected to list it, and not under `expires`; `null` for an anonymous session. */
  owner: string | null
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
  /** Users whose index may list it. */
  owners: readonly string[]
  announcement?: Announcement | undefined
}

/** A removal that takes place only while its one owner has more than `limit` sessions. */
export interface Eviction extends Removal {
  limit: number
}

/**
 * `current`: the record that was there instead of the expected one; `null`: there was none. Nothing has changed then.
 * `unannounced`: it is done, but could not be published.
 */
export type Outcome = { done: true; unannounced?: boolean } | { done: false; current: string | null }

export interface IndexPage {
  /** '0' after the last page. */
  cursor: string
  entries: { sessionId: string; score: number }[]
}

/** A session that was looked at, to make an index agree with it. */
export interface Seen {
  sessionId: string
  /** The score of its entry; `null` where it was not seen in the index. */
  score: number | null
  /** Whether it is this user's. */
  his: boolean
  /** The record that told; `null`: there was none. */
  raw: string | null
}

/**
 * Sessions and user indexes in Redis. Every method leaves the guarantees intact after each step. One implementation is
 * atomic, for one server; the other orders its steps, for Redis Cluster, where a session and its index live apart.
 */
export interface Records {
  /** From the master, with the true expiry. */
  read(sessionIds: readonly string[]): Promise<StoredRecord[]>
  write(write: Write): Promise<Outcome>
  /** Whether it took place: where anything is not as expected nothing has changed, and a `write` can tell what it is. */
  touch(touch: Touch): Promise<boolean>
  /** `done` also says that something was deleted; `current: null` that nothing was there. */
  remove(removal: Removal): Promise<Outcome>
  /** As `remove`; `null` where the user has no more than `limit` sessions. Simultaneous evictions stop at the limit. */
  evict(userId: string, eviction: Eviction): Promise<Outcome | null>
  /** Some of a user's index entries; a session that is listed all the while comes at least once. */
  page(userId: string, cursor: string): Promise<IndexPage>
  /** Makes a user's index agree with what was seen; resolves to the ids whose record has changed since, left as they are. */
  reconcile(userId: string, seen: readonly Seen[]): Promise<string[]>
  lists(userId: string, sessionId: string): Promise<boolean>
}
