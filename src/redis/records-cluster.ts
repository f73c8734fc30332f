import { settleAll } from '../session/settle-all.ts'
import { pageSize } from './batches.ts'
import type { SessionClient } from './clients/client.ts'
import { freshScore, isCondemned, isFresh, isReserved } from './entry-marks.ts'
import type { Keys } from './keys.ts'
import { deleteOneKey, runWrite, writeOneKey } from './one-key.ts'
import {
  type IndexEntry,
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
import { indexPage, isReply, outcome, storedRecords } from './replies.ts'
import { condemnScript } from './scripts/condemn.ts'
import { pageScript } from './scripts/page.ts'
import { raiseScript } from './scripts/raise.ts'
import { readScript } from './scripts/read.ts'
import { removeScript } from './scripts/remove.ts'
import { reserveScript } from './scripts/reserve.ts'
import { run, type Script } from './scripts/script.ts'
import { settleScript } from './scripts/settle.ts'

/**
 * Returns the time until which `owner`'s index should list a stored session, or `null` if that is unknown. Returns
 * `false` if the session does not belong to `owner`.
 */
type UntilOf = (sessionId: string, stored: StoredRecord, owner: string) => Promise<number | null | false>

/** An index entry that is being changed: its score now, and its score before ('' if there was no entry). */
interface Claim {
  score: string
  before: string
}

/**
 * Redis Cluster keeps a session and its index in different slots. So each step is one command on one key. The order of
 * the steps keeps the guarantees:
 *
 * - An index lists a session before the session exists, and at least as long as its record says. A crash can leave an
 *   entry without a session, or an entry that is too long. It never leaves a session without an entry.
 * - To shorten or remove an entry takes three steps. The first puts a stamp on the entry: a fraction of a millisecond in
 *   its score. The second writes, deletes or reads the session. The third changes the entry, but only if it still has
 *   that stamp. Every step that lists the session meanwhile changes the stamp.
 * - A write that makes a session first reserves its entry: it lists the session with a mark in the score. Afterwards it
 *   settles the entry: it takes the mark away. No other step removes a reserved entry, because the session may be
 *   written at any moment. The one exception is a removal that has seen the session. So a crash between the two steps can
 *   leave an entry without a session, until the entry's own end.
 * - A client may send a command again by itself after its answer was lost. So Redis may do a step twice, and only the
 *   second answer arrives. A write that was refused may thus have been done before, and other work may have changed its
 *   session since. So a refused write never leaves the entry shorter than the session that is there.
 *
 * The scripts have the names of these steps: "reserve", "raise" (list longer), "condemn" (stamp before a removal) and
 * "settle". `scripts/parts.ts` explains stamps and marks.
 */
export class ClusterRecords implements Records {
  /** Each session needs commands of its own, and the client queues them all. Further batches are under way too. */
  readonly batchSize = 25

  constructor(
    readonly client: SessionClient,
    readonly keys: Keys,
    readonly untilOf: UntilOf,
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
    // A crash here leaves an entry in the index of the previous owner. That user's next listing removes it.
    if (result.done && previous !== null && previous.owner !== entry?.owner) {
      await this.#unlist(previous.owner, write.sessionId)
    }
    return result
  }

  /** Writes a session that its owner's index does not list yet. */
  async #writeNew(write: Write, { owner, until }: IndexEntry): Promise<Outcome> {
    const { sessionId, record } = write
    const reserved = await this.#reserve(sessionId, owner, until, write.limit)
    if (reserved === 'full') return { done: false, current: null, full: true }
    // A crash here leaves a reserved entry without a session.
    const result = await this.#writeReserved(write, owner, reserved)
    if (!result.done) {
      await this.#withdraw(sessionId, owner, reserved, result.current)
      return result
    }
    // A crash here leaves a session whose entry is still reserved.
    const settled = await this.#settle(owner, sessionId, reserved.score, until, true)
    // Another process may have begun to remove the entry before the session existed. The raised entry tells it that the
    // session lives.
    if (settled !== 'settled') await this.#raise(owner, sessionId, until, settled === 'changed')
    // A revocation that came before the settle has left the entry alone, because it was reserved.
    const after = await this.#readOne(sessionId)
    if (after.raw !== record && (await this.untilOf(sessionId, after, owner)) === false) {
      await this.#unlist(owner, sessionId)
    }
    return result
  }

  async #writeReserved(write: Write, owner: string, reserved: Claim): Promise<Outcome> {
    try {
      return await runWrite(this.client, this.keys, write)
    } catch (error) {
      await (isReply(error)
        ? this.#withdrawRefused(write.sessionId, owner, reserved)
        : this.#settleUnanswered(write, owner, reserved)
      ).catch(() => {})
      throw error
    }
  }

  /** Redis answered with an error. It may still have done the write before, if the client has sent it twice. */
  async #withdrawRefused(sessionId: string, owner: string, reserved: Claim): Promise<void> {
    const { raw } = await this.#readOne(sessionId)
    await this.#withdraw(sessionId, owner, reserved, raw)
  }

  /**
   * The write was refused, so this restores the entry. If other work has changed the entry, or the session is gone, it
   * checks the session. `current` is the record that is there.
   */
  async #withdraw(sessionId: string, owner: string, claim: Claim, current: string | null): Promise<void> {
    const restored = await this.#restored(sessionId, owner, claim, current)
    const settled = await this.#settle(owner, sessionId, claim.score, restored, true)
    if (settled === 'changed' || (current === null && claim.before !== '')) {
      await this.#unlist(owner, sessionId)
    }
  }

  /**
   * Returns the score of an entry whose write was refused: the score before, but not less than the end of the user's
   * session that is there. A removal that stamped the entry before may not know of that session, so its stamp goes.
   */
  async #restored(
    sessionId: string,
    owner: string,
    { score, before }: Claim,
    current: string | null,
  ): Promise<string | number> {
    const stored = { raw: current, foreign: false, expires: null }
    const until = await this.untilOf(sessionId, stored, owner)
    if (until === false) return before
    const ends = Math.max(Math.floor(Number(before)), until ?? Math.floor(Number(score)))
    return ends > Number(before) || isCondemned(Number(before)) ? ends : before
  }

  /**
   * The answer was lost. If the user does not have the session, it may still be written, so the entry stays reserved.
   */
  async #settleUnanswered(write: Write, owner: string, { score }: Claim): Promise<void> {
    const { sessionId, record, entry } = write
    const stored = await this.#readOne(sessionId)
    const until = await this.untilOf(sessionId, stored, owner)
    if (until === false) return
    const ends =
      stored.raw === record ? Number(entry?.until) : Math.floor(Math.max(Number(score), until ?? 0))
    const settled = await this.#settle(owner, sessionId, score, ends, true)
    if (settled !== 'settled') await this.#raise(owner, sessionId, ends, settled === 'changed')
  }

  /** Writes a session that is listed already, and moves its entry to another time. */
  async #writeMoved(write: Write, { owner, until }: IndexEntry): Promise<Outcome> {
    const { sessionId } = write
    const claim = await this.#raise(owner, sessionId, until, true)
    // A crash here leaves an entry that ends later than its record, until a save moves the session's end again.
    const result = await runWrite(this.client, this.keys, write)
    if (!result.done && result.current === null) await this.#unlist(owner, sessionId)
    else if (!result.done) await this.#lower(sessionId, owner, claim, result.current)
    // A reserved entry is settled by the write that reserved it.
    else if (!isReserved(Number(claim.score))) await this.#settle(owner, sessionId, claim.score, until)
    return result
  }

  /** The write was refused, so this restores the entry that was raised for it. */
  async #lower(sessionId: string, owner: string, claim: Claim, current: string | null): Promise<void> {
    const restored = await this.#restored(sessionId, owner, claim, current)
    // Another score than before would end the reservation of another write.
    if (restored !== claim.before && isReserved(Number(claim.score))) return
    await this.#settle(owner, sessionId, claim.score, restored)
  }

  async touch(sessionId: string, expires: number): Promise<void> {
    await this.client.pExpireAt(this.keys.session(sessionId), expires, 'GT')
  }

  remove(owner: string | null, removals: readonly Removal[]): Promise<Outcome[]> {
    return settleAll(
      removals.map(async (removal) => {
        if (isOneKey(owner, removal)) return deleteOneKey(this.client, this.keys, removal.sessionId)
        const stamped = owner === null ? '' : await this.#condemnIfPossible(owner, removal)
        return this.#removeCondemned(owner, removal, stamped)
      }),
    )
  }

  /** Returns `null` if the index cannot be written. The session is revoked anyway. */
  async #condemnIfPossible(owner: string, { sessionId, expected }: Removal): Promise<string | null> {
    try {
      return await this.#condemn(owner, sessionId, { isSeen: expected !== null })
    } catch {
      return null
    }
  }

  async #removeCondemned(
    owner: string | null,
    { sessionId, expected, announcement }: Removal,
    stamped: string | null,
  ): Promise<Outcome> {
    const args = ['0', announcement?.channel ?? '', sessionId, expected ?? '', announcement?.message ?? '']
    const [reply] = (await run(this.client, removeScript, [this.keys.session(sessionId)], args)) as unknown[]
    const result = outcome(reply)
    // A crash here leaves an entry without a session. The user's next listing removes it.
    if (owner === null || stamped === '' || (!result.done && result.current !== null)) return result
    const isUnlisted = stamped !== null && (await this.#settle(owner, sessionId, stamped, '')) !== 'changed'
    if (!isUnlisted) await this.#unlist(owner, sessionId)
    return result
  }

  /**
   * The user's index decides about an eviction. It counts the entries that are not being removed. A crash after the
   * decision leaves a session that is listed but not counted. The user's next sign-in beyond the limit removes it.
   */
  async evict(owner: string, removal: Removal, limit: number): Promise<Outcome | null> {
    const isSeen = removal.expected !== null
    const stamped = await this.#condemn(owner, removal.sessionId, { limit, isSeen })
    if (stamped === 'enough') return null
    return stamped === '' ? { done: false, current: null } : this.#removeCondemned(owner, removal, stamped)
  }

  async page(owner: string, cursor: string): Promise<IndexPage> {
    return indexPage(await run(this.client, pageScript, [this.keys.index(owner)], [cursor, String(pageSize)]))
  }

  async reconcile(owner: string, seen: readonly Seen[]): Promise<string[]> {
    const changed = await settleAll(seen.map((session) => this.#reconcileOne(owner, session)))
    return seen.filter((_, n) => changed[n]).map(({ sessionId }) => sessionId)
  }

  /**
   * Resolves to whether the record has changed since it was read. An entry that ends later than its record stays. A
   * write may have raised it, and is about to change the record.
   */
  async #reconcileOne(owner: string, { sessionId, score, wanted, raw }: Seen): Promise<boolean> {
    if (wanted === null) {
      const found = await this.#unlist(owner, sessionId)
      return found !== null && exists(found) && found.raw !== raw
    }
    if (score !== null && isFresh(score)) {
      await this.#settle(owner, sessionId, String(score), Math.max(Math.floor(score), wanted))
      return false
    }
    if (score !== null && Math.floor(score) >= wanted) return false
    const { before } = await this.#raise(owner, sessionId, wanted)
    // If the session has changed since, a crash here leaves an entry that is wrong or too long.
    const after = await this.#readOne(sessionId)
    if (after.raw === raw && exists(after)) return false
    const until = await this.untilOf(sessionId, after, owner)
    if (until === false) await this.#unlist(owner, sessionId)
    else if (until !== null)
      await this.#settle(owner, sessionId, String(wanted), Math.max(until, Math.floor(Number(before))))
    return exists(after)
  }

  /**
   * Removes the entry if the session is gone or belongs to another user. Resolves to what the session's key holds, or
   * to `null` if there was nothing to remove.
   */
  async #unlist(owner: string, sessionId: string): Promise<StoredRecord | null> {
    const stamped = await this.#condemn(owner, sessionId, {})
    if (stamped === '') return null
    const found = await this.#readOne(sessionId)
    const until = await this.untilOf(sessionId, found, owner)
    // The entry never becomes shorter here. A write may have raised it, and is about to change the record.
    const ends = until === false ? '' : Math.max(Math.floor(Number(stamped)), until ?? 0)
    await this.#settle(owner, sessionId, stamped, ends)
    return found
  }

  async #readOne(sessionId: string): Promise<StoredRecord> {
    const [stored] = storedRecords(await run(this.client, readScript, [this.keys.session(sessionId)], []))
    return stored as StoredRecord
  }

  /** Resolves to 'full' if the user has as many sessions as allowed. */
  async #reserve(
    sessionId: string,
    owner: string,
    until: number | null,
    limit?: number,
  ): Promise<Claim | 'full'> {
    try {
      const reply = await this.#onIndex(reserveScript, owner, [sessionId, until, limit ?? ''])
      return Array.isArray(reply) ? claimOf(reply) : 'full'
    } catch (error) {
      // The answer may be lost, so Redis may have reserved the entry. No session will be written, so the entry can go.
      await this.#settle(owner, sessionId, freshScore(Number(until)), '').catch(() => {})
      throw error
    }
  }

  /** Lists a session at least until that time. With `isMoved`, the caller settles the entry afterwards. */
  async #raise(owner: string, sessionId: string, until: number | null, isMoved = false): Promise<Claim> {
    return claimOf(await this.#onIndex(raiseScript, owner, [sessionId, until, isMoved ? '1' : '']))
  }

  /** Stamps an entry before its removal. Resolves to '' if there is no entry, or a reserved one that must stay. */
  async #condemn(
    owner: string,
    sessionId: string,
    { limit, isSeen }: { limit?: number; isSeen?: boolean },
  ): Promise<string> {
    return String(await this.#onIndex(condemnScript, owner, [sessionId, limit ?? '', isSeen ? '1' : '']))
  }

  /**
   * Ends the work that began with `score`. Resolves to 'changed' if other work has changed the entry since; that work
   * then ends it.
   */
  async #settle(
    owner: string,
    sessionId: string,
    score: string,
    to: number | string | null,
    isMaker = false,
  ): Promise<'settled' | 'gone' | 'changed'> {
    const args = [sessionId, score, to ?? '', isMaker ? '1' : '']
    const reply = Number(await this.#onIndex(settleScript, owner, args))
    return reply === 1 ? 'settled' : reply === 0 ? 'gone' : 'changed'
  }

  #onIndex(script: Script, owner: string, args: (string | number | null)[]): Promise<unknown> {
    return run(this.client, script, [this.keys.index(owner)], args.map(String))
  }
}

function claimOf(reply: unknown): Claim {
  const [before, score] = reply as [unknown, unknown]
  return { before: String(before), score: String(score) }
}

function exists({ raw, foreign }: StoredRecord): boolean {
  return raw !== null || foreign
}
