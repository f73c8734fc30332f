import { settleAll } from '../session/settle-all.ts'
import { batches, pageSize } from './batches.ts'
import type { SessionClient } from './clients/client.ts'
import type { Keys } from './keys.ts'
import { deleteOneKey, runWrite, writeOneKey } from './one-key.ts'
import {
  type IndexPage,
  isOneKey,
  movesEntry,
  type Outcome,
  type Records,
  type Removal,
  type Seen,
  type StoredRecord,
  type Write,
} from './records.ts'
import { indexPage, outcome, storedRecords } from './replies.ts'
import { evictScript } from './scripts/evict.ts'
import { pageScript } from './scripts/page.ts'
import { readScript } from './scripts/read.ts'
import { reconcileScript } from './scripts/reconcile.ts'
import { removeScript } from './scripts/remove.ts'
import { run } from './scripts/script.ts'

/** One server, used through a client, a pool or Sentinel. Each write is one command or one script, so it is atomic. */
export class AtomicRecords implements Records {
  /**
   * One script does a whole batch. A larger batch would keep other clients of the server waiting. Its records would also
   * outlive a garbage collection, and the heap of Node 24 then grows by some 100 MiB when an app visits all sessions.
   */
  readonly batchSize = 100

  constructor(
    readonly client: SessionClient,
    readonly keys: Keys,
  ) {}

  async read(sessionIds: readonly string[]): Promise<StoredRecord[]> {
    const keys = sessionIds.map((id) => this.keys.session(id))
    const replies = await settleAll(
      batches(keys, this.batchSize).map((batch) => run(this.client, readScript, batch, [])),
    )
    return replies.flatMap(storedRecords)
  }

  write(write: Write): Promise<Outcome> {
    if (!movesEntry(write)) return writeOneKey(this.client, this.keys, write)
    const owners = [write.entry?.owner, write.previous?.owner].filter((owner) => owner !== undefined)
    const indexes = [...new Set(owners)].map((owner) => this.keys.index(owner))
    return runWrite(this.client, this.keys, write, indexes)
  }

  async touch(sessionId: string, expires: number): Promise<void> {
    await this.client.pExpireAt(this.keys.session(sessionId), expires, 'GT')
  }

  async remove(owner: string | null, removals: readonly Removal[]): Promise<Outcome[]> {
    const outcomes: Outcome[] = []
    for (const batch of batches(removals, this.batchSize))
      outcomes.push(...(await this.#removeBatch(owner, batch)))
    return outcomes
  }

  async #removeBatch(owner: string | null, removals: readonly Removal[]): Promise<Outcome[]> {
    const keys = removals.map(({ sessionId }) => this.keys.session(sessionId))
    const [first] = removals
    if (first && removals.length === 1 && isOneKey(owner, first))
      return [await deleteOneKey(this.client, this.keys, first.sessionId)]
    if (owner !== null) keys.push(this.keys.index(owner))
    const channel = first?.announcement?.channel ?? ''
    const each = removals.flatMap(({ sessionId, expected, announcement }) => [
      sessionId,
      expected ?? '',
      announcement?.message ?? '',
    ])
    const replies = await run(this.client, removeScript, keys, [owner === null ? '0' : '1', channel, ...each])
    return (replies as unknown[]).map(outcome)
  }

  async evict(owner: string, removal: Removal, limit: number): Promise<Outcome | null> {
    const { sessionId, expected, announcement } = removal
    const keys = [this.keys.session(sessionId), this.keys.index(owner)]
    const { channel = '', message = '' } = announcement ?? {}
    const args = [String(limit), channel, sessionId, expected ?? '', message]
    const reply = await run(this.client, evictScript, keys, args)
    return Number(reply) === -1 ? null : outcome(reply)
  }

  async page(owner: string, cursor: string): Promise<IndexPage> {
    return indexPage(await run(this.client, pageScript, [this.keys.index(owner)], [cursor, String(pageSize)]))
  }

  async reconcile(owner: string, seen: readonly Seen[]): Promise<string[]> {
    const changed: string[] = []
    for (const batch of batches(seen, this.batchSize)) {
      const keys = [this.keys.index(owner), ...batch.map(({ sessionId }) => this.keys.session(sessionId))]
      const args = batch.flatMap(({ sessionId, wanted, raw }) => [sessionId, String(wanted ?? ''), raw ?? ''])
      const reply = (await run(this.client, reconcileScript, keys, args)) as unknown[]
      changed.push(...reply.map(String))
    }
    return changed
  }
}
