import type { SessionClient } from './clients/client.ts'
import type { Keys } from './keys.ts'
import type {
  Eviction,
  IndexPage,
  Outcome,
  Records,
  Removal,
  Seen,
  StoredRecord,
  Touch,
  Write,
} from './records.ts'
import { indexPage, outcome, pageSize, removalArguments, storedRecords, writeArguments } from './replies.ts'
import {
  evictScript,
  listsScript,
  pageScript,
  readScript,
  reconcileScript,
  removeScript,
  run,
  touchScript,
  writeScript,
} from './scripts.ts'

/** How many sessions one script reads, so that other clients of the server need not wait long. */
const readSize = 200

/** One server, reached by a client, a pool or Sentinel: each write is one script, and so atomic. */
export class AtomicRecords implements Records {
  constructor(
    readonly client: SessionClient,
    readonly keys: Keys,
  ) {}

  async read(sessionIds: readonly string[]): Promise<StoredRecord[]> {
    const found: StoredRecord[] = []
    for (let start = 0; start < sessionIds.length; start += readSize) {
      const keys = sessionIds.slice(start, start + readSize).map((id) => this.keys.session(id))
      found.push(...storedRecords(await run(this.client, readScript, keys, [])))
    }
    return found
  }

  async write(write: Write): Promise<Outcome> {
    const { sessionId, owner, previousOwner } = write
    const keys = [this.keys.session(sessionId)]
    if (owner !== null) keys.push(this.keys.index(owner))
    if (previousOwner !== null && previousOwner !== owner) keys.push(this.keys.index(previousOwner))
    return outcome(await run(this.client, writeScript, keys, writeArguments(write, owner !== null)))
  }

  async touch({ sessionId, owner, expires, expected, head }: Touch): Promise<boolean> {
    const keys = [this.keys.session(sessionId)]
    if (owner !== null) keys.push(this.keys.index(owner))
    const args = [sessionId, String(expires), String(Buffer.byteLength(expected) - 1), expected, head]
    return Number(await run(this.client, touchScript, keys, args)) === 1
  }

  async remove(removal: Removal): Promise<Outcome> {
    const indexes = new Set(removal.owners.map((owner) => this.keys.index(owner)))
    const keys = [this.keys.session(removal.sessionId), ...indexes]
    return outcome(await run(this.client, removeScript, keys, removalArguments(removal)))
  }

  async evict(userId: string, eviction: Eviction): Promise<Outcome | null> {
    const keys = [this.keys.session(eviction.sessionId), this.keys.index(userId)]
    const args = removalArguments(eviction)
    args[3] ??= ''
    const reply = await run(this.client, evictScript, keys, [...args, String(eviction.limit)])
    return Number(reply) === -1 ? null : outcome(reply)
  }

  async page(userId: string, cursor: string): Promise<IndexPage> {
    return indexPage(
      await run(this.client, pageScript, [this.keys.index(userId)], [cursor, String(pageSize)]),
    )
  }

  async reconcile(userId: string, seen: readonly Seen[]): Promise<string[]> {
    const keys = [this.keys.index(userId), ...seen.map(({ sessionId }) => this.keys.session(sessionId))]
    const args = seen.flatMap(({ sessionId, his, raw }) => [sessionId, his ? '1' : '0', raw ?? ''])
    const changed = (await run(this.client, reconcileScript, keys, args)) as unknown[]
    return changed.map(String)
  }

  async lists(userId: string, sessionId: string): Promise<boolean> {
    return Number(await run(this.client, listsScript, [this.keys.index(userId)], [sessionId])) === 1
  }
}
