import { parseRecord, type Serializer } from '../session/codec.ts'
import { CorruptSessionError } from '../session/errors.ts'
import type { Ttl } from '../session/expiry.ts'
import { passportUser } from '../session/owner.ts'
import { settleAll } from '../session/settle-all.ts'
import type { SessionClient } from './clients/client.ts'
import type { Keys } from './keys.ts'
import type { Announcement, Records, SessionRecord, StoredRecord } from './records.ts'

/** What the functions and the store need to work on sessions: where, how they are written, and whose they are. */
export interface Access {
  client: SessionClient
  keys: Keys
  records: Records
  serializer: Serializer
  ttl: Ttl
  scanCount: number
  /** In ms; `null` for no limit. */
  absoluteTtl: number | null
  /**
   * Whose a session is: a user id, or `null` for nobody's. `undefined` where the data cannot tell, as the functions cannot
   * of a session that a store with its own `userId` option wrote: that one belongs to the user whose index lists it.
   */
  ownerOf(data: SessionRecord): string | null | undefined
  /** What the removal of a session publishes, if anything. */
  announce?(sessionId: string, userId: string | null): Announcement | undefined
  /** Called after a session was destroyed, with what that published. */
  destroyed?(sessionId: string, userId: string | null, announcement: Announcement | undefined): void
  /** Called where that could not be published. */
  unannounced?(): void
}

/** A session of a user as a listing found it: `data` is `null` where the record is corrupt or of another type. */
export interface UserRecord {
  sessionId: string
  raw: string | null
  data: SessionRecord | null
  /** ms since 1970. */
  expires: number
  /** Someone has begun to evict it, and perhaps died over it. */
  evicting: boolean
}

/**
 * Whether a session is this user's. Where its data cannot tell, his index is asked, after the data was read: with a write that
 * takes place only while that data is there, both held at once. (On Cluster two indexes list a session for a moment, while it
 * changes from one user to the other: then it is his whom Passport names.)
 */
export async function isOwnedBy(
  access: Access,
  userId: string,
  sessionId: string,
  data: SessionRecord,
): Promise<boolean> {
  const owner = access.ownerOf(data)
  if (owner !== undefined) return owner === userId
  const named = String(passportUser(data) ?? userId)
  const users = [...new Set([userId, named])]
  const [his, others] = await settleAll(users.map((user) => access.records.lists(user, sessionId)))
  return his === true && others !== true
}

/** The data of a stored record; `null` where it is corrupt or of another type. */
export async function readable(
  access: Access,
  sessionId: string,
  stored: { raw: string | null },
): Promise<SessionRecord | null> {
  if (stored.raw === null) return null
  try {
    return await parseRecord(access.serializer, stored.raw, access.keys.session(sessionId))
  } catch {
    return null
  }
}

/** A session from the master, whatever is there. */
export async function readOne(access: Access, sessionId: string): Promise<StoredRecord> {
  const [stored] = await access.records.read([sessionId])
  return stored as StoredRecord
}

/** A session's record from the master; `null` where there is none. A value of another type is a `CorruptSessionError`. */
export async function readStored(
  access: Access,
  sessionId: string,
): Promise<(StoredRecord & { raw: string }) | null> {
  const stored = await readOne(access, sessionId)
  if (stored.foreign)
    throw new CorruptSessionError(access.keys.session(sessionId), 'is of another type than a session')
  return stored.raw === null ? null : { ...stored, raw: stored.raw }
}
