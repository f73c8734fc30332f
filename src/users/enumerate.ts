import { type Access, readable } from '../redis/access.ts'
import { scanKeys } from '../redis/clients/client.ts'
import type { SessionRecord } from '../redis/records.ts'
import { isOver } from '../session/lifetime.ts'
import { settleAll } from '../session/settle-all.ts'
import { revoke } from './revoke.ts'

export interface FoundSession {
  sessionId: string
  raw: string
  data: SessionRecord
}

/** How many sessions are read at a time: what outlives a collection of garbage makes the heap of Node 24 grow by some 100 MiB. */
const batchSize = 200

/** The ids of all sessions, in batches; an id may come twice while Redis resizes its table. */
export async function* sessionIds(access: Access): AsyncGenerator<string[]> {
  const { client, keys, scanCount } = access
  for await (const found of scanKeys(client, keys.sessionPattern, scanCount)) {
    const ids = found.filter((key) => !keys.isIndex(key)).map((key) => keys.sessionIdOf(key))
    for (let start = 0; start < ids.length; start += batchSize) yield ids.slice(start, start + batchSize)
  }
}

/** All sessions that can be read, in batches; not those whose absolute lifetime is over, though Redis still has them. */
export async function* readableSessions(access: Access): AsyncGenerator<FoundSession[]> {
  for await (const ids of sessionIds(access)) {
    const stored = await access.records.read(ids)
    const datas = await Promise.all(
      ids.map((sessionId, n) => readable(access, sessionId, stored[n] ?? { raw: null })),
    )
    yield ids.flatMap((sessionId, n) => {
      const [raw, data] = [stored[n]?.raw, datas[n]]
      return raw != null && data && !isOver(access, data) ? [{ sessionId, raw, data }] : []
    })
  }
}

/** Deletes all sessions, with their index entries. */
export async function clearSessions(access: Access): Promise<void> {
  for await (const ids of sessionIds(access)) {
    const stored = await access.records.read(ids)
    await settleAll(
      ids.map(async (sessionId, n) => {
        const raw = stored[n]?.raw ?? null
        await revoke(access, { sessionId, raw, data: await readable(access, sessionId, { raw }) })
      }),
    )
  }
}
