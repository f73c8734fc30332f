import { type Access, isOwnedBy, readable, type UserRecord } from '../redis/access.ts'
import type { IndexPage, StoredRecord } from '../redis/records.ts'
import { createdOf, endOf } from '../session/lifetime.ts'
import { settleAll } from '../session/settle-all.ts'

/**
 * The sessions of a user in pages, as his index lists them; a session may come twice. Entries that are wrong (their session
 * is gone, or another user's, or expires at another time) are put right on the way.
 */
export async function* userRecords(access: Access, userId: string): AsyncGenerator<UserRecord[]> {
  let cursor = '0'
  do {
    const page = await access.records.page(userId, cursor)
    cursor = page.cursor
    yield await readPage(access, userId, page)
  } while (cursor !== '0')
}

async function readPage(access: Access, userId: string, { entries }: IndexPage): Promise<UserRecord[]> {
  const found = await access.records.read(entries.map(({ sessionId }) => sessionId))
  const seen = await settleAll(
    entries.map(async ({ sessionId, score }, n) => {
      const { raw, foreign, expires } = found[n] as StoredRecord
      const data = await readable(access, sessionId, { raw })
      const exists = raw !== null || foreign
      const his = exists && (data === null || (await isOwnedBy(access, userId, sessionId, data)))
      return { sessionId, score, raw, data, his, expires }
    }),
  )
  // A negative score is that of a session that is being evicted.
  const wrong = seen.filter(
    ({ his, score, expires }) => !his || (score >= 0 && expires !== null && expires !== score),
  )
  if (wrong.length > 0) await access.records.reconcile(userId, wrong)
  return seen
    .filter(({ his }) => his)
    .map(({ sessionId, raw, data, score, expires }) => ({
      sessionId,
      raw,
      data,
      expires: expires ?? Math.abs(score),
      evicting: score < 0,
    }))
}

/** The readable sessions of a user, each once; not those whose absolute lifetime is over, though Redis still has them. */
export async function listUser(access: Access, userId: string): Promise<ReadableRecord[]> {
  const sessions = new Map<string, ReadableRecord>()
  for await (const page of userRecords(access, userId)) {
    for (const session of page.filter(isReadable)) {
      const end = endOf(access, createdOf(session.data))
      const expires = Math.min(session.expires, end)
      if (end > Date.now()) sessions.set(session.sessionId, { ...session, expires })
    }
  }
  return [...sessions.values()]
}

export type ReadableRecord = UserRecord & { raw: string; data: NonNullable<UserRecord['data']> }

export function isReadable(session: UserRecord): session is ReadableRecord {
  return session.data !== null
}
