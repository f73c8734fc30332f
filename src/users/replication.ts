import { type Access, accessOn } from '../redis/access.ts'
import {
  type ClusterClient,
  type ConnectionClient,
  isCluster,
  type LendingClient,
  mastersOf,
  type SessionClient,
} from '../redis/clients/client.ts'
import type { Keys } from '../redis/keys.ts'
import { emptyWriteScript } from '../redis/scripts/empty-write.ts'
import { hasPrefix, run } from '../redis/scripts/script.ts'
import { NotReplicatedError } from '../session/errors.ts'
import { newSessionId } from '../session/session-id.ts'
import { settleAll } from '../session/settle-all.ts'

/** How many replicas must confirm a revocation, and how long it may take. */
export interface WaitForReplicas {
  /** How many replicas must confirm it. On Redis Cluster, this counts for each master. At least 1. */
  count: number
  /** How long to wait for the replicas, in ms. Use less than the client's own command timeout. At least 1. */
  timeout: number
}

/** Deletes sessions. Resolves to how many there were, or to whether there was one. */
type Revocation = (access: Access) => Promise<number | boolean>

/** How many times the work may start again because of a failover or a new sign-in. */
const maxRounds = 5

/**
 * Revokes, and then waits until replicas have it. Rejects with `NotReplicatedError` if too few replicas confirm it in
 * time. The revocation is done even then. It can only be lost with the master, before the replicas catch up.
 *
 * WAIT counts only the writes of its own connection. So a pool or a Sentinel client uses one connection for all steps.
 * A failover can move that connection to a new master that does not have the revocation. Its replicas confirm what it
 * has. So the work is repeated until it finds no session to revoke. Then the master that has answered has the
 * revocation.
 *
 * @param resultOf Turns the number of revoked sessions into the result of the call.
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
    for (let rounds = 0; rounds < maxRounds; rounds++) {
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
  const { client } = access
  if (isCluster(client) || !('execute' in client)) return work(access)
  return (client as unknown as LendingClient).execute((lent) => work(accessOn({ ...access, client: lent })))
}

/**
 * Resolves to how many replicas have everything that this master has written, for any connection. On Redis Cluster, the
 * master with the fewest such replicas counts.
 */
async function countReplicas({ client, keys }: Access, wait: WaitForReplicas): Promise<number> {
  if (isCluster(client)) return countOnCluster(client, keys, wait)
  await mark(client, keys, newSessionId())
  return countOn(client as ConnectionClient, wait)
}

/**
 * A repeated revocation deletes nothing. Its sessions may have been on any master, so every master must confirm what it
 * has.
 */
async function countOnCluster(client: ClusterClient, keys: Keys, wait: WaitForReplicas): Promise<number> {
  const masters = await mastersOf(client)
  const counts = await settleAll(
    masters.map(async (master) => {
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
  await run(client, emptyWriteScript, [keys.session(sessionId)], [])
}

/** The last id that marked each master. It lies in one of that master's slots. */
const lastIds = new WeakMap<object, string>()

/** Far more ids than a Cluster has slots. */
const mostIds = 2 ** 15

/**
 * Marks a master of a Cluster, under an id that lies in one of its slots. Resolves to whether there is such an id. Each
 * client library tells its slots in another way, so ids are tried instead. The first call needs about as many ids as
 * there are masters, later calls one.
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
