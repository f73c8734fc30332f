import type { Access } from '../redis/access.ts'
import {
  type ClusterClient,
  type ConnectionClient,
  isCluster,
  type PoolClient,
  type SentinelClient,
} from '../redis/clients/client.ts'
import { recordsOn } from '../redis/records-on.ts'
import { markScript } from '../redis/scripts/mark.ts'
import { run } from '../redis/scripts/script.ts'
import { NotReplicatedError } from '../session/errors.ts'
import { newSessionId } from '../session/session-id.ts'
import { settleAll } from '../session/settle-all.ts'

/** How far a revocation must have come before it counts as done. */
export interface WaitForReplicas {
  /** How many replicas (on Cluster: of each master) must have it. At least 1. */
  count: number
  /** How long to wait for them, in ms; less than the client's own command timeout. At least 1. */
  timeout: number
}

export function isWaitForReplicas(value: unknown): value is WaitForReplicas {
  const { count, timeout } = Object(value) as WaitForReplicas
  return Number.isInteger(count) && count >= 1 && Number.isInteger(timeout) && timeout >= 1
}

/** Deletes what it finds; resolves to how many sessions that were, or whether there was one. */
type Revocation = (access: Access) => Promise<number | boolean>

/** How often a failover, or a sign-in meanwhile, may make it start anew. */
const maxLooks = 5

/**
 * Revokes, and then waits until replicas have it; rejects with `NotReplicatedError` where too few of them say so in time. The
 * revocation is done by then, and stays done unless the master is lost before its replicas catch up.
 *
 * WAIT speaks of its own connection only, so that a pool or Sentinel does all of it on one. A failover meanwhile leads even that
 * connection to another master, whose replicas know of its own past and nothing else: so it looks again afterwards, and only
 * what is gone by then was in the past of whoever answered.
 *
 * @param resultOf What the call resolves to after so many sessions.
 */
export async function replicated<T>(
  access: Access,
  wait: WaitForReplicas | undefined,
  revoke: Revocation,
  resultOf: (revoked: number) => T,
): Promise<T> {
  if (wait === undefined) return resultOf(Number(await revoke(access)))
  return onOneConnection(access, async (pinned) => {
    let revoked = Number(await revoke(pinned))
    for (let looks = 0; looks < maxLooks; looks++) {
      const acknowledged = await countReplicas(pinned, wait)
      if (acknowledged < wait.count) throw new NotReplicatedError(acknowledged, wait, resultOf(revoked))
      const again = Number(await revoke(pinned))
      if (again === 0) return resultOf(revoked)
      revoked += again
    }
    throw new NotReplicatedError(0, wait, resultOf(revoked))
  })
}

function onOneConnection<T>(access: Access, work: (access: Access) => Promise<T>): Promise<T> {
  const pin = (client: ConnectionClient) =>
    work({ ...access, client, records: recordsOn({ ...access, client }) })
  const { client } = access
  if (isCluster(client)) return work(access)
  if ('use' in client) return (client as unknown as SentinelClient).use(pin)
  if ('execute' in client) return (client as unknown as PoolClient).execute(pin)
  return pin(client as ConnectionClient)
}

async function countReplicas({ client, keys }: Access, wait: WaitForReplicas): Promise<number> {
  if (isCluster(client)) return countOnCluster(client, wait)
  await run(client, markScript, [keys.session(newSessionId())], [])
  return Number(await (client as ConnectionClient).wait(wait.count, wait.timeout))
}

/** Here the one connection to each master has written what this process revoked, if it was not lost meanwhile. */
async function countOnCluster(client: ClusterClient, { count, timeout }: WaitForReplicas): Promise<number> {
  const nodes = await settleAll(client.masters.map(async (master) => client.nodeClient(master)))
  const counts = await settleAll(
    nodes.map((node) => (node as unknown as ConnectionClient).wait(count, timeout)),
  )
  return Math.min(...counts.map(Number))
}
