/** Lists a user's sessions, as the user's index has them, and corrects wrong entries on the way. */
import type { Access } from '../redis/access.ts'
import { batches } from '../redis/batches.ts'
import { isCondemned, isFresh, isReserved } from '../redis/entry-marks.ts'
import type { IndexPage, Seen, StoredRecord } from '../redis/records.ts'
import { hasEnded, readable, type StoredSession, trueExpiry } from '../redis/stored-session.ts'
import { oneAhead } from '../session/ahead.ts'
import { settleAll } from '../session/settle-all.ts'

/** A session of a user, as a listing found it. `session` is `null` if the record is corrupt or of another type. */
export interface UserRecord {
  sessionId: string
  raw: string | null
  session: StoredSession | null
  /** The session's expiry, in ms since 1970. */
  expires: number
  /** Whether an eviction of the session has begun. The process that began it may have crashed. */
  evicting: boolean
}

export type ListedSession = UserRecord & { raw: string; session: StoredSession }

/**
 * Yields a user's sessions in batches, as the index lists them. The next batch is being read while the caller works on
 * this one. A session may come twice. Ended sessions come too as long as Redis has them, so that a revocation deletes
 * them.
 *
 * Wrong entries are corrected on the way: the session is gone, belongs to another user, or has another `until`. On Redis
 * Cluster, an entry that ends after `until` stays.
 */
export async function* userRecords(access: Access, userId: string): AsyncGenerator<UserRecord[]> {
  let cursor = '0'
  do {
    const page = await access.records.page(userId, cursor)
    cursor = page.cursor
    const entries = batches(page.entries, access.records.batchSize)
    const reads = oneAhead(entries, (batch) => readEntries(access, batch))
    for await (const found of reads) yield await check(access, userId, found)
  } while (cursor !== '0')
}

/** Resolves to the user's readable sessions that have not ended, each once. */
export async function listUser(access: Access, userId: string): Promise<ListedSession[]> {
  const sessions = new Map<string, ListedSession>()
  const asked = Date.now()
  for await (const page of userRecords(access, userId)) {
    for (const session of page.filter(isReadable)) {
      if (!hasEnded(access, session.session, asked)) sessions.set(session.sessionId, session)
    }
  }
  return [...sessions.values()]
}

type Entry = IndexPage['entries'][number]
type ReadEntry = { entry: Entry; stored: StoredRecord }
type Look = Seen & UserRecord & { score: number; isUnclear: boolean }

async function readEntries(access: Access, entries: readonly Entry[]): Promise<ReadEntry[]> {
  const found = await access.records.read(entries.map(({ sessionId }) => sessionId))
  return entries.map((entry, n) => ({ entry, stored: found[n] as StoredRecord }))
}

async function check(access: Access, userId: string, found: readonly ReadEntry[]): Promise<UserRecord[]> {
  const looks = await settleAll(found.map((entry) => look(access, userId, entry)))
  const wrong = looks.filter(isWrong)
  if (wrong.length > 0) await access.records.reconcile(userId, wrong)
  return looks.filter(({ wanted }) => wanted !== null)
}

async function look(
  access: Access,
  userId: string,
  { entry: { sessionId, score }, stored: { raw, foreign, expires } }: ReadEntry,
): Promise<Look> {
  const session = await readable(access, sessionId, raw)
  const exists = raw !== null || foreign
  const isOwned = exists && (session === null || session.owner === userId)
  return {
    sessionId,
    score,
    raw,
    session,
    wanted: isOwned ? (session?.until ?? expires ?? Math.floor(score)) : null,
    isUnclear: !isOwned && session !== null && isUnclear(access, session),
    expires: (session ? trueExpiry(access, session, expires) : expires) ?? score,
    evicting: isCondemned(score),
  }
}

/** Whether an entry may be right although the session seems to belong to another user. */
export function isUnclear({ guessesUsers }: Access, { tellsOwner }: StoredSession): boolean {
  return guessesUsers === true && !tellsOwner
}

/** A reserved entry stays, because its session may be written at any moment. */
function isWrong({ score, wanted, isUnclear }: Look): boolean {
  if (isUnclear) return false
  if (isReserved(score)) return wanted !== null && (isFresh(score) || score < wanted)
  return wanted === null || Math.floor(score) !== wanted
}

function isReadable(record: UserRecord): record is ListedSession {
  return record.session !== null
}
