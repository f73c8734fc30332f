import { CorruptSessionError } from '../session/errors.ts'
import { settleAll } from '../session/settle-all.ts'
import type { SessionClient } from './clients/client.ts'
import type { Keys } from './keys.ts'
import { runWrite, writeOneKey } from './one-key.ts'
import {
  type IndexEntry,
  type IndexPage,
  movesEntry,
  type Outcome,
  type Records,
  type Removal,
  type Seen,
  type StoredRecord,
  type Write,
} from './records.ts'
import { batchSize, indexPage, outcome, storedRecords } from './replies.ts'
import { condemnScript } from './scripts/condemn.ts'
import { lowerScript } from './scripts/lower.ts'
import { pageScript } from './scripts/page.ts'
import { raiseScript } from './scripts/raise.ts'
import { readScript } from './scripts/read.ts'
import { removeScript } from './scripts/remove.ts'
import { reserveScript } from './scripts/reserve.ts'
import { run } from './scripts/script.ts'

/** Whose a stored record is, and until when its owner's index lists it; `null` if it is nobody's, or corrupt. */
export type ReadEntry = (sessionId: string, stored: StoredRecord) => Promise<IndexEntry | null>

/**
 * Redis Cluster: a session and the index that lists it live in different slots. So each step is one command on one key, and the
 * order of the steps keeps the guarantees:
 *
 * - An index lists a session before it lives, and no shorter than its record says. A crash leaves at most an entry that is too
 *   much or too long, never a session that is not listed.
 * - Whoever removes an entry looks at the session afterwards, and lists it again if there is one.
 * - Whoever makes a session reserves its entry, and confirms it afterwards. Nobody else removes an entry that is only reserved:
 *   the session may be written at any moment, and its answer may be lost. So a crash before that leaves an entry without a
 *   session until its own end.
 */
export class ClusterRecords implements Records {
  constructor(
    readonly client: SessionClient,
    readonly keys: Keys,
    readonly readEntry: ReadEntry,
  ) {}

  read(sessionIds: readonly string[]): Promise<StoredRecord[]> {
    return settleAll(sessionIds.map((sessionId) => this.#readOne(sessionId)))
  }

  async write(write: Write): Promise<Outcome> {
    if (!movesEntry(write)) return writeOneKey(this.client, this.keys, write)
    const { entry, previous } = write
    const result =
      entry === null
        ? await writeOneKey(this.client, this.keys, write)
        : write.expected === null || previous?.owner !== entry.owner
          ? await this.#writeNew(write, entry)
          : await this.#writeMoved(write, entry)
    // A crash here leaves an entry in the index of the previous user, which that user's next listing removes.
    if (result.done && previous !== null && previous.owner !== entry?.owner) {
      await this.#unlist(previous.owner, write.sessionId, '')
    }
    return result
  }

  /** A session that its owner's index does not list yet. */
  async #writeNew(write: Write, entry: IndexEntry): Promise<Outcome> {
    const { sessionId } = write
    const reserved = await this.#reserve(sessionId, entry, write.limit)
    if (reserved === 'full') return { done: false, current: null, full: true }
    // A crash here leaves an entry that is only reserved, without a session.
    const result = await this.#writeReserved(write, entry, reserved)
    // A crash here leaves a session that is listed by an entry that nobody has confirmed.
    if (result.done) await this.#confirm(sessionId, entry, write.record, reserved)
    else await this.#unlist(entry.owner, sessionId, reserved)
    return result
  }

  async #writeReserved(write: Write, { owner }: IndexEntry, reserved: string): Promise<Outcome> {
    try {
      return await runWrite(this.client, this.keys, write)
    } catch (error) {
      await this.#settleReserved(write.sessionId, owner, reserved, isReply(error)).catch(() => {})
      throw error
    }
  }

  /** The write failed. If its answer was lost, the session may be there, or may still be written. */
  async #settleReserved(
    sessionId: string,
    owner: string,
    reserved: string,
    isRefused: boolean,
  ): Promise<void> {
    const stored = await this.#readOne(sessionId)
    const entry = await this.readEntry(sessionId, stored)
    if (entry?.owner === owner) await this.#confirm(sessionId, entry, stored.raw as string, reserved)
    else if (isRefused) await this.#unlist(owner, sessionId, reserved)
  }

  /** A session that is listed, and from now on until another time. */
  async #writeMoved(write: Write, entry: IndexEntry): Promise<Outcome> {
    const { sessionId } = write
    const before = await this.#raise(entry.owner, sessionId, entry.until)
    // A crash here leaves an entry that is too long, until the session is next saved.
    const result = await runWrite(this.client, this.keys, write)
    if (!result.done) {
      if (result.current === null) await this.#unlist(entry.owner, sessionId, '')
      return result
    }
    // If the entry was not raised, somebody may have lowered it since, for a record that this write has replaced.
    const isRaised = before !== '' && Number(before) < Number(entry.until)
    if (Number(before) > Number(entry.until)) await this.#lower(entry.owner, sessionId, before, entry.until)
    if (!isRaised) await this.#confirm(sessionId, entry, write.record, '')
    return result
  }

  async touch(sessionId: string, expires: number): Promise<void> {
    await this.client.pExpireAt(this.keys.session(sessionId), expires, 'GT')
  }

  remove(owner: string | null, removals: readonly Removal[]): Promise<Outcome[]> {
    return settleAll(removals.map((removal) => this.#removeOne(owner, removal)))
  }

  async #removeOne(owner: string | null, { sessionId, expected, announcement }: Removal): Promise<Outcome> {
    const args = ['0', announcement?.channel ?? '', sessionId, expected ?? '', announcement?.message ?? '']
    const [reply] = (await run(this.client, removeScript, [this.keys.session(sessionId)], args)) as unknown[]
    const result = outcome(reply)
    // A crash here leaves an entry without a session, which the user's next listing removes.
    if (owner !== null && (result.done || result.current === null)) await this.#unlist(owner, sessionId, '')
    return result
  }

  /**
   * The user's index decides who is evicted: it counts what is not being evicted already. A crash after its decision leaves a
   * session that is listed and does not count. The user's next sign-in beyond the limit ends that.
   */
  async evict(owner: string, removal: Removal, limit: number): Promise<Outcome | null> {
    const args = [removal.sessionId, String(limit)]
    const condemned = Number(await run(this.client, condemnScript, [this.keys.index(owner)], args))
    if (condemned === -1) return null
    return condemned === 1 ? this.#removeOne(owner, removal) : { done: false, current: null }
  }

  async page(owner: string, cursor: string): Promise<IndexPage> {
    return indexPage(
      await run(this.client, pageScript, [this.keys.index(owner)], [cursor, String(batchSize)]),
    )
  }

  async reconcile(owner: string, seen: readonly Seen[]): Promise<string[]> {
    const changed = await settleAll(seen.map((session) => this.#reconcileOne(owner, session)))
    return seen.filter((_, n) => changed[n]).map(({ sessionId }) => sessionId)
  }

  /**
   * Resolves to whether the record has changed since it was seen. An entry that is too long stays: somebody may have raised it for
   * what the session is about to get.
   */
  async #reconcileOne(owner: string, { sessionId, score, wanted, raw }: Seen): Promise<boolean> {
    if (wanted === null) return this.#unlist(owner, sessionId, String(score ?? ''))
    const stored = await this.#readOne(sessionId)
    if (stored.raw !== raw) return true
    await this.#raise(owner, sessionId, wanted, isReserved(score) ? String(score) : '')
    const after = await this.#readOne(sessionId)
    if (after.raw === raw && exists(after)) return false
    await this.#agree(owner, sessionId, after)
    return exists(after)
  }

  /** Lists a session that was written with this record. Somebody may have removed its entry, or it may be gone by now. */
  async #confirm(sessionId: string, entry: IndexEntry, record: string, reserved: string): Promise<void> {
    await this.#raise(entry.owner, sessionId, entry.until, reserved)
    // A crash here, after a revocation that came between, leaves an entry without a session; the next listing removes it.
    const after = await this.#readOne(sessionId)
    if (after.raw !== record) await this.#agree(entry.owner, sessionId, after)
  }

  /**
   * Removes the entry of a session that was seen to be gone, or another user's; resolves to whether there is a session after
   * all, which is then listed again. `from` is the score that the entry must have; '' for any.
   */
  async #unlist(owner: string, sessionId: string, from: string): Promise<boolean> {
    await this.#lower(owner, sessionId, from, null)
    // A crash here, while a session of this user was being made, leaves it to its maker to confirm the entry.
    const after = await this.#readOne(sessionId)
    if (exists(after)) await this.#agree(owner, sessionId, after)
    return exists(after)
  }

  /** Makes the entry agree with what was found of the session, until nothing has changed since the last look. */
  async #agree(owner: string, sessionId: string, found: StoredRecord): Promise<void> {
    const entry = await this.readEntry(sessionId, found)
    if (entry?.owner === owner) await this.#raise(owner, sessionId, entry.until)
    else await this.#lower(owner, sessionId, '', null)
    const after = await this.#readOne(sessionId)
    if (after.raw !== found.raw) await this.#agree(owner, sessionId, after)
  }

  async #readOne(sessionId: string): Promise<StoredRecord> {
    const [stored] = storedRecords(await run(this.client, readScript, [this.keys.session(sessionId)], []))
    return stored as StoredRecord
  }

  /** Resolves to the score of the reserved entry; 'full' if the user has as many sessions as allowed. */
  async #reserve(sessionId: string, { owner, until }: IndexEntry, limit?: number): Promise<string> {
    const args = [sessionId, String(until), String(limit ?? '')]
    try {
      return String(await run(this.client, reserveScript, [this.keys.index(owner)], args))
    } catch (error) {
      // The answer may be lost. Nothing is written after it, so the entry can go.
      await this.#lower(owner, sessionId, String(Number(until) + 0.5), null).catch(() => {})
      throw error
    }
  }

  /** Resolves to the score before; '' if there was none. */
  async #raise(owner: string, sessionId: string, until: number | null, replaces = ''): Promise<string> {
    const args = [sessionId, String(until), replaces]
    return String(await run(this.client, raiseScript, [this.keys.index(owner)], args))
  }

  async #lower(owner: string, sessionId: string, from: string, to: number | null): Promise<void> {
    await run(this.client, lowerScript, [this.keys.index(owner)], [sessionId, from, String(to ?? '')])
  }
}

/** If nobody has confirmed yet that the session of an entry was written. */
function isReserved(score: number | null): boolean {
  return score !== null && score % 1 === 0.5
}

/** If Redis answered with an error, so that nothing was written; else the answer may be lost. */
function isReply(error: unknown): boolean {
  return error instanceof CorruptSessionError || /^[A-Z]{2,} /.test(String(Object(error).message))
}

function exists({ raw, foreign }: StoredRecord): boolean {
  return raw !== null || foreign
}
