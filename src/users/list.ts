/** The sessions that a user's index lists. */
import { type Access, hasEnded, readable, type StoredSession, trueExpiry } from '../redis/access.ts'
import { isCondemned, isFresh, isReserved } from '../redis/entry-marks.ts'
import type { IndexPage, Seen, StoredRecord } from '../redis/records.ts'
import { settleAll } from '../session/settle-all.ts'

/** A session of a user as a listing found it: `session` is `null` if the record is corrupt or of another type. */
export interface UserRecord {
  sessionId: string
  raw: string | null
  session: StoredSession | null
  /** When it ends, in ms since 1970. */
  expires: number
  /** Somebody has begun to evict it, and perhaps died over it. */
  evicting: boolean
}

export type ListedSession = UserRecord & { raw: string; session: StoredSession }

/**
 * The sessions of a user in pages, as the user's index lists them; a session may come twice. One that nobody may load any more is
 * among them as long as Redis has it, so that a revocation deletes it. Entries that are wrong (their
 * session is gone, or another user's, or has another `until`) are put right on the way.
 */
export async function* userRecords(access: Access, userId: string): AsyncGenerator<UserRecord[]> {
  let cursor = '0'
  do {
    const page = await access.records.page(userId, cursor)
    cursor = page.cursor
    yield await readPage(access, userId, page)
  } while (cursor !== '0')
}

/** The readable sessions of a user that may be loaded, each once. */
export async function listUser(access: Access, userId: string): Promise<ListedSession[]> {
  const sessions = new Map<string, ListedSession>()
  for await (const page of userRecords(access, userId)) {
    for (const session of page.filter(isReadable)) {
      if (!hasEnded(access, session.session)) sessions.set(session.sessionId, session)
    }
  }
  return [...sessions.values()]
}

type Entry = IndexPage['entries'][number]
type Look = Seen & UserRecord & { score: number; isUnclear: boolean }

async function readPage(access: Access, userId: string, { entries }: IndexPage): Promise<UserRecord[]> {
  if (entries.length === 0) return []
  const found = await access.records.read(entries.map(({ sessionId }) => sessionId))
  const looks = await settleAll(
    entries.map((entry, n) => look(access, userId, entry, found[n] as StoredRecord)),
  )
  const wrong = looks.filter(isWrong)
  if (wrong.length > 0) await access.records.reconcile(userId, wrong)
  return looks.filter(({ wanted }) => wanted !== null)
}

async function look(
  access: Access,
  userId: string,
  { sessionId, score }: Entry,
  stored: StoredRecord,
): Promise<Look> {
  const { raw, foreign, expires } = stored
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

/** If the entry of a session that seems to be another user's may be right all the same. */
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
