/** Finds all sessions by SCAN, without an index. */
import type { Access } from '../redis/access.ts'
import { batches } from '../redis/batches.ts'
import { scanKeys } from '../redis/clients/client.ts'
import type { StoredRecord } from '../redis/records.ts'
import { hasEnded, readable, type StoredSession, trueExpiry } from '../redis/stored-session.ts'
import { settleAll } from '../session/settle-all.ts'
import { revokeOne } from './revoke.ts'

/** `since` is the moment before Redis was asked, as `Destroyed.now` tells it. */
type FoundSession = StoredSession & { expires: number | null; since: number }

/** Yields the ids of all sessions, in batches. An id may come twice while Redis resizes its table. */
export async function* sessionIds(access: Access): AsyncGenerator<string[]> {
  const { client, keys, records, scanCount } = access
  for await (const found of scanKeys(client, keys.sessionPattern, scanCount)) {
    const ids = found.filter((key) => !keys.isIndex(key)).map((key) => keys.sessionIdOf(key))
    yield* batches(ids, records.batchSize)
  }
}

/** Yields all live sessions that can be read, in batches, with their true expiry. */
export async function* readableSessions(access: Access): AsyncGenerator<FoundSession[]> {
  for await (const ids of sessionIds(access)) yield liveSessions(access, ids)
}

async function liveSessions(access: Access, ids: readonly string[]): Promise<FoundSession[]> {
  const [since, asked] = [access.destroyed.now, Date.now()]
  const stored = await access.records.read(ids)
  const found = await settleAll(
    ids.map(async (sessionId, n) => {
      const { raw, expires } = stored[n] as StoredRecord
      const session = await readable(access, sessionId, raw)
      if (session === null || hasEnded(access, session, asked)) return []
      // It has ended since it was read, or another request has moved its end.
      if (hasEnded(access, session)) return liveSessions(access, [sessionId])
      return [{ ...session, expires: trueExpiry(access, session, expires), since }]
    }),
  )
  return found.flat()
}

/** Deletes all sessions with their index entries. */
export async function clearSessions(access: Access): Promise<void> {
  for await (const ids of sessionIds(access)) {
    const stored = await access.records.read(ids)
    await settleAll(
      ids.map(async (sessionId, n) => {
        const raw = stored[n]?.raw ?? null
        const session = await readable(access, sessionId, raw).catch(() => null)
        await revokeOne(access, { sessionId, raw, session })
      }),
    )
  }
}
