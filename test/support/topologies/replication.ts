/**
 * Finds out what replicas have, by the offsets that servers report. `WAIT` counts only the writes of its own connection.
 */
import { eventually } from '../eventually.ts'
import type { Node } from './node.ts'
import type { Topology } from './types.ts'

/** Waits until so many replicas have everything that this master has written by now. */
export async function untilReplicated(
  { nodes }: Pick<Topology, 'nodes'>,
  master: Node,
  replicas = 1,
): Promise<void> {
  const written = await replicationOf(master)
  const others = nodes.filter(({ server }) => server !== master.server && !server.dead && !server.paused)
  await eventually(`${replicas} replicas to have what port ${master.server.port} has`, async () => {
    const states = await Promise.all(others.map(replicationOf))
    const complete = states.filter(
      ({ role, history, offset }) =>
        role === 'slave' && history === written.history && offset >= written.offset,
    )
    return complete.length >= replicas
  })
}

async function replicationOf({ admin }: Node): Promise<{ role: string; history: string; offset: number }> {
  const info = await admin.info('replication')
  const field = (name: string) => new RegExp(`^${name}:(\\S+)`, 'm').exec(info)?.[1] ?? ''
  const role = field('role')
  const offset = Number(field(role === 'slave' ? 'slave_repl_offset' : 'master_repl_offset'))
  return { role, history: field('master_replid'), offset }
}
