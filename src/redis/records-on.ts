import { isCluster, type SessionClient } from './clients/client.ts'
import type { Keys } from './keys.ts'
import type { Records } from './records.ts'
import { AtomicRecords } from './records-atomic.ts'
import { ClusterRecords } from './records-cluster.ts'

/** The implementation that fits the client. */
export function recordsOn(client: SessionClient, keys: Keys): Records {
  return isCluster(client) ? new ClusterRecords(client, keys) : new AtomicRecords(client, keys)
}
