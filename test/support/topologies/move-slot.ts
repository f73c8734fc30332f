/** Resharding: moves one slot of a Cluster to another master, as `redis-cli --cluster reshard` does. */
import type { Node } from './node.ts'
import type { Topology } from './types.ts'

const KEYS_AT_ONCE = 10
const MIGRATE_TIMEOUT_MS = 5000

export type MoveOptions = {
  /** Runs while both masters share the slot. Missing keys are answered with ASK until it resolves. */
  meanwhile?: () => Promise<unknown>
}

/** Moves the slot of `key`, with all keys in it, to the master `to`, and resolves when all masters agree. */
export async function moveSlot(
  cluster: Topology<unknown>,
  key: string,
  to: Node,
  { meanwhile }: MoveOptions = {},
): Promise<void> {
  const from = await cluster.masterOf(key)
  if (from === to) throw new Error(`The slot of ${key} is already on port ${to.server.port}`)
  const slot = await from.admin.clusterKeySlot(key)
  const target = await to.admin.clusterMyId()
  await to.admin.clusterSetSlot(slot, 'IMPORTING', await from.admin.clusterMyId())
  await from.admin.clusterSetSlot(slot, 'MIGRATING', target)
  await meanwhile?.()
  await migrateKeys(from, to, slot)
  const others = (await cluster.masters()).filter((node) => node !== from && node !== to)
  for (const { admin } of [to, from, ...others]) await admin.clusterSetSlot(slot, 'NODE', target)
}

async function migrateKeys(from: Node, to: Node, slot: number): Promise<void> {
  const target = ['127.0.0.1', String(to.server.port), '', '0', String(MIGRATE_TIMEOUT_MS), 'KEYS']
  for (;;) {
    const keys = await from.admin.clusterGetKeysInSlot(slot, KEYS_AT_ONCE)
    if (keys.length === 0) return
    await from.admin.sendCommand(['MIGRATE', ...target, ...keys])
  }
}
