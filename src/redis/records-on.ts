import type { Access } from './access.ts'
import { isCluster } from './clients/client.ts'
import type { Records } from './records.ts'
import { AtomicRecords } from './records-atomic.ts'
import { ClusterRecords } from './records-cluster.ts'
import { readable } from './stored-session.ts'

/** Chooses the implementation for the client: Redis Cluster or one server. */
export function recordsOn(access: Omit<Access, 'records'>): Records {
  const { client, keys } = access
  if (!isCluster(client)) return new AtomicRecords(client, keys)
  return new ClusterRecords(client, keys, async (sessionId, { raw, foreign, expires }, owner) => {
    if (raw === null) return foreign && expires
    const session = await readable(access, sessionId, raw)
    // A record that cannot be read stays listed, so that its user can revoke it.
    return session === null || session.owner === owner ? (session?.until ?? expires) : false
  })
}
