/**
 * Reads sessions from Redis: the record, its data, its owner and its true end.
 *
 * If a record cannot be parsed, `decode`, `fetchRaw` and `readLive` fail with a `CorruptSessionError`, and so does the
 * load of that session. `readable` gives `null` instead. So a listing leaves the session out, and a revocation deletes
 * it. An asynchronous serializer can also fail for another reason. Then a load, a listing and a revocation of a user fail
 * with its error.
 */
import { type ParsedRecord, parseRecord, stringifyRecord } from '../session/codec.ts'
import { cookieOf } from '../session/cookie.ts'
import { CorruptSessionError } from '../session/errors.ts'
import { ownExpiry } from '../session/expiry.ts'
import { type Entry, takeNote, withNote } from '../session/index-note.ts'
import { createdOf, endOf } from '../session/lifetime.ts'
import { storedOwner } from '../session/owner.ts'
import type { SessionRecord } from '../session/record.ts'
import type { Access } from './access.ts'
import type { IndexEntry, StoredRecord } from './records.ts'
import { textOf } from './replies.ts'
import { hasPrefix } from './scripts/script.ts'

/** A record that was read and parsed. */
export interface StoredSession {
  sessionId: string
  raw: string
  /** The data as the app wrote it, without the note for the index. */
  data: SessionRecord
  /** The cookie's expiry in the record, in ms since 1970; `null` if it has none. */
  cookieExpires: number | null
  owner: string | null
  /** Whether the record itself tells the owner. Records of another store do not, nor do anonymous ones. */
  tellsOwner: boolean
  /**
   * The score of the index entry in ms since 1970, or `null` if the record has none. Nobody can load the session after
   * that time.
   */
  until: number | null
}

type Codec = Pick<Access, 'serializer' | 'userId' | 'keys'>

/** Parses a record. Returns a promise if the serializer is asynchronous. */
export function decode(codec: Codec, sessionId: string, raw: string): StoredSession | Promise<StoredSession> {
  const parsed = parseRecord(codec.serializer, raw, codec.keys.session(sessionId))
  const session = (parsed: ParsedRecord) => sessionOf(codec, sessionId, raw, parsed)
  return parsed instanceof Promise ? parsed.then(session) : session(parsed)
}

function sessionOf(
  { userId }: Codec,
  sessionId: string,
  raw: string,
  { data, cookieExpires }: ParsedRecord,
): StoredSession {
  const note = takeNote(data)
  const owner = storedOwner(userId, data, note)
  const tellsOwner = note !== null || cookieOf(data) === undefined
  // The record's own `expires` sets the expiry if the cookie has none.
  const until = note?.until ?? (cookieExpires === null ? ownExpiry(data) : null)
  return { sessionId, raw, data, cookieExpires, owner, tellsOwner, until }
}

/** Makes the record of session data. Returns a promise if the serializer is asynchronous. */
export function encode(
  { serializer }: Pick<Access, 'serializer'>,
  data: SessionRecord,
  entry: Entry | null,
): string | Promise<string> {
  return stringifyRecord(serializer, withNote(data, entry))
}

/** Same as `decode`, but gives `null` for a missing or a corrupt record. */
export async function readable(
  codec: Codec,
  sessionId: string,
  raw: string | null,
): Promise<StoredSession | null> {
  if (raw === null) return null
  try {
    return await decode(codec, sessionId, raw)
  } catch (error) {
    if (error instanceof CorruptSessionError) return null
    throw error
  }
}

/** Returns the index entry of a record, or `null` if the session is anonymous. */
export function entryOf({ owner, until }: Pick<StoredSession, 'owner' | 'until'>): IndexEntry | null {
  return owner === null ? null : { owner, until }
}

/**
 * Whether a record says that its session has ended by now, or had ended at another time (ms since 1970). The key may
 * still exist, but nobody can load the session.
 *
 * Another request may have moved the end since the record was read. So who must be sure asks for a time before the
 * reading, or calls `readAgain`.
 */
export function hasEnded(
  access: Access,
  session: Pick<StoredSession, 'data' | 'until'>,
  at = Date.now(),
): boolean {
  const end = trueExpiry(access, session, null)
  return end !== null && end <= at
}

/**
 * Reads a session's record by one plain command, or `null` if it does not exist. A key of another Redis type is a
 * `CorruptSessionError`.
 */
export async function fetchRaw({ client, keys }: Access, sessionId: string): Promise<string | null> {
  const key = keys.session(sessionId)
  try {
    return textOf(await client.get(key))
  } catch (error) {
    throw hasPrefix(error, 'WRONGTYPE') ? wrongType(key, error) : error
  }
}

/** Same as `decode`, but gives `null` for a session that has ended. One that only seems so is read again. */
export async function decodeLive(
  access: Access,
  sessionId: string,
  raw: string,
): Promise<StoredSession | null> {
  const session = await decode(access, sessionId, raw)
  return hasEnded(access, session) ? await readAgain(access, sessionId) : session
}

/** Reads a session that seems to have ended. Resolves to `null` if it really has. */
export async function readAgain(access: Access, sessionId: string): Promise<StoredSession | null> {
  for (;;) {
    const asked = Date.now()
    const raw = await fetchRaw(access, sessionId)
    const session = raw === null ? null : await decode(access, sessionId, raw)
    if (session === null || hasEnded(access, session, asked)) return null
    if (!hasEnded(access, session)) return session
  }
}

/** Reads whatever a session's key holds, with its TTL, from the master. */
export async function readOne(access: Access, sessionId: string): Promise<StoredRecord> {
  const [stored] = await access.records.read([sessionId])
  return stored as StoredRecord
}

/**
 * Reads a session with its true expiry from the master, or `null` if it does not exist. A key of another Redis type is
 * a `CorruptSessionError`.
 */
export async function readLive(
  access: Access,
  sessionId: string,
): Promise<(StoredSession & { expires: number | null }) | null> {
  const { raw, foreign, expires } = await readOne(access, sessionId)
  if (foreign) throw wrongType(access.keys.session(sessionId))
  if (raw === null) return null
  const session = await decode(access, sessionId, raw)
  if (hasEnded(access, session))
    return (await readAgain(access, sessionId)) && (await readLive(access, sessionId))
  return { ...session, expires: trueExpiry(access, session, expires) }
}

/**
 * Returns the time when a session ends, in ms since 1970, or `null` if it never ends. The session ends when Redis
 * deletes its key, or before that when nobody can load it any more.
 */
export function trueExpiry(
  access: Access,
  { data, until }: Pick<StoredSession, 'data' | 'until'>,
  expires: number | null,
): number | null {
  const forever = Number.POSITIVE_INFINITY
  const end = Math.min(expires ?? forever, until ?? forever, endOf(access, createdOf(data)))
  return end === forever ? null : end
}

function wrongType(key: string, cause?: unknown): CorruptSessionError {
  return new CorruptSessionError(key, 'is of another type than a session', cause)
}
