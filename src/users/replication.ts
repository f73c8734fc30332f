import type { Access } from '../redis/access.ts'
import {
  type ClusterClient,
  type ConnectionClient,
  isCluster,
  type PoolClient,
  type SentinelClient,
  type SessionClient,
} from '../redis/clients/client.ts'
import type { Keys } from '../redis/keys.ts'
import { recordsOn } from '../redis/records-on.ts'
import { markScript } from '../redis/scripts/mark.ts'
import { hasPrefix, run } from '../redis/scripts/script.ts'
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

/** How many replicas have all that this master was told so far, by whomever. On Cluster: of the master with the fewest. */
async function countReplicas({ client, keys }: Access, wait: WaitForReplicas): Promise<number> {
  if (isCluster(client)) return countOnCluster(client, keys, wait)
  await mark(client, keys, newSessionId())
  return countOn(client as ConnectionClient, wait)
}

/** A repeated revocation deletes nothing, and its sessions may have been on any master: each must answer for what it has. */
async function countOnCluster(client: ClusterClient, keys: Keys, wait: WaitForReplicas): Promise<number> {
  const counts = await settleAll(
    client.masters.map(async (master) => {
      const node = (await client.nodeClient(master)) as ConnectionClient
      return (await markSomewhere(master as object, node, keys)) ? countOn(node, wait) : null
    }),
  )
  const known = counts.filter((count) => count !== null)
  if (known.length === 0 || (known.length < counts.length && !isInOneSlot(keys))) return 0
  return Math.min(...known)
}

async function countOn(client: ConnectionClient, { count, timeout }: WaitForReplicas): Promise<number> {
  return Number(await client.wait(count, timeout))
}

async function mark(client: SessionClient, keys: Keys, sessionId: string): Promise<void> {
  await run(client, markScript, [keys.session(sessionId)], [])
}

/** By master, the id of its last mark, which lies in one of its slots. */
const lastIds = new WeakMap<object, string>()

/** Far more ids than a Cluster has slots. */
const mostIds = 2 ** 15

/**
 * Marks a master of a Cluster, under an id that lies in one of its slots; resolves to whether there is one. Ids are tried, because no
 * client tells its slots in the same way as another: 1 the next time, else about as many as there are masters.
 */
async function markSomewhere(master: object, node: ConnectionClient, keys: Keys): Promise<boolean> {
  const last = lastIds.get(master)
  if (last !== undefined && (await isMarked(node, keys, last))) return true
  for (let size = 1; size <= mostIds; size *= 2) {
    const ids = Array.from({ length: size }, newSessionId)
    const marked = await settleAll(ids.map((id) => isMarked(node, keys, id)))
    const found = ids.find((_, n) => marked[n])
    if (found !== undefined) lastIds.set(master, found)
    if (found !== undefined || isInOneSlot(keys)) return found !== undefined
  }
  return false
}

async function isMarked(node: ConnectionClient, keys: Keys, sessionId: string): Promise<boolean> {
  try {
    await mark(node, keys, sessionId)
    return true
  } catch (error) {
    if (hasPrefix(error, 'MOVED') || hasPrefix(error, 'ASK')) return false
    throw error
  }
}

/** With a hash tag in the prefix, such as '{app}session:', one master has all sessions. */
function isInOneSlot({ prefix }: Keys): boolean {
  return /^[^{]*\{[^}]+\}/.test(prefix)
}
