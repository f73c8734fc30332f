import { type Access, decode } from './access.ts'
import { isCluster } from './clients/client.ts'
import type { IndexEntry, Records, StoredRecord } from './records.ts'
import { AtomicRecords } from './records-atomic.ts'
import { ClusterRecords } from './records-cluster.ts'

/** The implementation that fits the client. */
export function recordsOn(access: Omit<Access, 'records'>): Records {
  const { client, keys } = access
  if (!isCluster(client)) return new AtomicRecords(client, keys)
  return new ClusterRecords(client, keys, async (sessionId, { raw, expires }: StoredRecord) => {
    if (raw === null) return null
    const { owner, until } = await decode(access, sessionId, raw)
    return owner === null ? null : ({ owner, until: until ?? expires } satisfies IndexEntry)
  })
}
