/** Lists a user's sessions, as the user's index has them, and corrects wrong entries on the way. */
import type { Access } from '../redis/access.ts'
import { batches } from '../redis/batches.ts'
import { isCondemned, isFresh } from '../redis/entry-marks.ts'
import type { IndexPage, Seen, StoredRecord } from '../redis/records.ts'
import { hasEnded, readable, type StoredSession, trueExpiry } from '../redis/stored-session.ts'
import { startAhead } from '../session/ahead.ts'
import { settleAll } from '../session/settle-all.ts'

/** A session of a user, as a listing found it. `session` is `null` if the record is corrupt or of another type. */
export interface UserRecord {
  sessionId: string
  raw: string | null
  session: StoredSession | null
  /** The session's expiry, in ms since 1970. */
  expires: number
  /** Whether the session had ended before its record was read. */
  ended: boolean
  /** The moment before that, as `Destroyed.now` tells it. */
  since: number
  /** Whether an eviction of the session has begun. The process that began it may have crashed. */
  evicting: boolean
}

export type ListedSession = UserRecord & { raw: string; session: StoredSession }

/**
 * Yields a user's sessions in batches, as the index lists them. The next batches are being read while the caller works
 * on this one. A session may come twice. Ended sessions come too as long as Redis has them, so that a revocation deletes
 * them.
 *
 * Wrong entries are corrected on the way: the session is gone, belongs to another user, or has another `until`. On Redis
 * Cluster, an entry that ends after `until` stays.
 */
export async function* userRecords(access: Access, userId: string): AsyncGenerator<UserRecord[]> {
  const batches = startAhead(entriesOf(access, userId), (entries) => lookAt(access, userId, entries))
  for await (const looks of batches) {
    const wrong = looks.filter(isWrong)
    if (wrong.length > 0) await access.records.reconcile(userId, wrong)
    yield looks.filter(({ wanted }) => wanted !== null)
  }
}

/** Yields the entries of a user's index in batches, as they are. An entry may come twice. */
export async function* entriesOf({ records }: Access, userId: string): AsyncGenerator<Entry[]> {
  let cursor = '0'
  do {
    const page = await records.page(userId, cursor)
    cursor = page.cursor
    yield* batches(page.entries, records.batchSize)
  } while (cursor !== '0')
}

/** Resolves to the user's readable sessions that have not ended. */
export async function listUser(access: Access, userId: string): Promise<ListedSession[]> {
  const sessions = await recordsById(access, userId)
  return [...sessions.values()].filter(isReadable).filter(({ ended }) => !ended)
}

/** Resolves to all that `userRecords` yields, each session once. */
export async function recordsById(access: Access, userId: string): Promise<Map<string, UserRecord>> {
  const sessions = new Map<string, UserRecord>()
  for await (const page of userRecords(access, userId)) {
    for (const session of page) sessions.set(session.sessionId, session)
  }
  return sessions
}

type Entry = IndexPage['entries'][number]

/** `isUnclear`: the entry may be right although the session seems to belong to another user. */
type Look = Seen & UserRecord & { score: number; isUnclear: boolean }

/** Reads the sessions of these entries. Resolves to what is right for each entry. */
export async function lookAt(access: Access, userId: string, entries: readonly Entry[]): Promise<Look[]> {
  const moment = { asked: Date.now(), since: access.destroyed.now }
  const found = await access.records.read(entries.map(({ sessionId }) => sessionId))
  return settleAll(entries.map((entry, n) => look(access, userId, entry, found[n] as StoredRecord, moment)))
}

async function look(
  access: Access,
  userId: string,
  entry: Entry,
  { raw, foreign, expires }: StoredRecord,
  { asked, since }: { asked: number; since: number },
): Promise<Look> {
  const { sessionId, score } = entry
  const session = await readable(access, sessionId, raw)
  const ended = session !== null && hasEnded(access, session, asked)
  if (session && !ended && hasEnded(access, session)) {
    // It has ended since it was read, or another request has moved its end.
    const [again] = await lookAt(access, userId, [entry])
    return again as Look
  }
  const exists = raw !== null || foreign
  const isOwned = exists && (session === null || session.owner === userId)
  return {
    sessionId,
    score,
    raw,
    session,
    wanted: isOwned ? (session?.until ?? expires ?? Math.floor(score)) : null,
    isUnclear: !isOwned && session !== null && access.guessesUsers === true && !session.tellsOwner,
    expires: (session ? trueExpiry(access, session, expires) : expires) ?? score,
    ended,
    since,
    evicting: isCondemned(score),
  }
}

/** `Records.reconcile` leaves a reserved entry alone: its session may be written at any moment. */
function isWrong({ score, wanted, isUnclear }: Look): boolean {
  return !isUnclear && (wanted === null || isFresh(score) || Math.floor(score) !== wanted)
}

function isReadable(record: UserRecord): record is ListedSession {
  return record.session !== null
}
