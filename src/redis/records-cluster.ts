import { CorruptSessionError } from '../session/errors.ts'
import { settleAll } from '../session/settle-all.ts'
import type { SessionClient } from './clients/client.ts'
import { freshScore, isFresh, isReserved } from './entry-marks.ts'
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
import { batchSize, indexPage, outcome, storedRecords } from './replies.ts'
import { condemnScript } from './scripts/condemn.ts'
import { pageScript } from './scripts/page.ts'
import { raiseScript } from './scripts/raise.ts'
import { readScript } from './scripts/read.ts'
import { removeScript } from './scripts/remove.ts'
import { reserveScript } from './scripts/reserve.ts'
import { run, type Script } from './scripts/script.ts'
import { settleScript } from './scripts/settle.ts'

/** Until when `owner`'s index should list a stored session (`null`: no one knows); `false` if it is not this user's. */
export type ListedUntil = (
  sessionId: string,
  stored: StoredRecord,
  owner: string,
) => Promise<number | null | false>

/** An index entry that somebody works on: its score, and the score before ('' if there was none). */
interface Claim {
  score: string
  before: string
}

/**
 * Redis Cluster: a session and the index that lists it live in different slots. So each step is one command on one key, and the
 * order of the steps keeps the guarantees:
 *
 * - An index lists a session before it lives, and no shorter than its record says. A crash leaves at most an entry that is too
 *   much or too long, never a session that is not listed.
 * - Whoever lowers or removes an entry stamps it first, then writes, deletes or reads the session, and then finishes only if the
 *   entry still has that stamp. Everybody who lists the session meanwhile changes it.
 * - Whoever makes a session reserves its entry, and settles it afterwards. Nobody removes an entry that is reserved: the session
 *   may be written at any moment. So a crash before that leaves an entry without a session until its own end.
 */
export class ClusterRecords implements Records {
  constructor(
    readonly client: SessionClient,
    readonly keys: Keys,
    readonly listedUntil: ListedUntil,
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
      await this.#unlist(previous.owner, write.sessionId)
    }
    return result
  }

  /** A session that its owner's index does not list yet. */
  async #writeNew(write: Write, { owner, until }: IndexEntry): Promise<Outcome> {
    const { sessionId, record } = write
    const reserved = await this.#reserve(sessionId, owner, until, write.limit)
    if (reserved === 'full') return { done: false, current: null, full: true }
    // A crash here leaves an entry that is reserved, without a session.
    const result = await this.#writeReserved(write, owner, reserved)
    if (!result.done) {
      await this.#withdraw(sessionId, owner, reserved, result.current === null)
      return result
    }
    // A crash here leaves a session that is listed by an entry that is reserved.
    const settled = await this.#settle(owner, sessionId, reserved.score, until, true)
    // Somebody may have begun to remove the entry before the session was there: they must see that it is listed again.
    if (settled !== 'settled') await this.#raise(owner, sessionId, until, settled === 'changed')
    // Whoever has revoked the session before that has left the entry alone.
    const after = await this.#readOne(sessionId)
    if (after.raw !== record && (await this.listedUntil(sessionId, after, owner)) === false) {
      await this.#unlist(owner, sessionId)
    }
    return result
  }

  async #writeReserved(write: Write, owner: string, reserved: Claim): Promise<Outcome> {
    try {
      return await runWrite(this.client, this.keys, write)
    } catch (error) {
      await (isReply(error)
        ? this.#withdraw(write.sessionId, owner, reserved, true)
        : this.#settleUnanswered(write, owner, reserved)
      ).catch(() => {})
      throw error
    }
  }

  /** Nothing was written: the entry is again as it was. If somebody else has worked on it, or the session is gone, it is looked at. */
  async #withdraw(
    sessionId: string,
    owner: string,
    { score, before }: Claim,
    isGone: boolean,
  ): Promise<void> {
    const settled = await this.#settle(owner, sessionId, score, before, true)
    if (settled === 'changed' || (isGone && before !== '')) await this.#unlist(owner, sessionId)
  }

  /** The answer was lost. If there is no session of this user, it may still be written, and the entry stays reserved. */
  async #settleUnanswered(write: Write, owner: string, { score }: Claim): Promise<void> {
    const { sessionId, record, entry } = write
    const stored = await this.#readOne(sessionId)
    const until = await this.listedUntil(sessionId, stored, owner)
    if (until === false) return
    const ends =
      stored.raw === record ? Number(entry?.until) : Math.floor(Math.max(Number(score), until ?? 0))
    const settled = await this.#settle(owner, sessionId, score, ends, true)
    if (settled !== 'settled') await this.#raise(owner, sessionId, ends, settled === 'changed')
  }

  /** A session that is listed, and from now on until another time. */
  async #writeMoved(write: Write, { owner, until }: IndexEntry): Promise<Outcome> {
    const { sessionId } = write
    const { score, before } = await this.#raise(owner, sessionId, until, true)
    // A crash here leaves an entry that is too long, until a save moves the session's end again.
    const result = await runWrite(this.client, this.keys, write)
    if (!result.done && result.current === null) await this.#unlist(owner, sessionId)
    else if (!result.done) await this.#settle(owner, sessionId, score, before)
    // Whoever has reserved the entry settles it.
    else if (!isReserved(Number(score))) await this.#settle(owner, sessionId, score, until)
    return result
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

  /** An index that cannot be written keeps no session from being revoked: `null`. */
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
    // A crash here leaves an entry without a session, which the user's next listing removes.
    if (owner === null || stamped === '' || (!result.done && result.current !== null)) return result
    const isUnlisted = stamped !== null && (await this.#settle(owner, sessionId, stamped, '')) !== 'changed'
    if (!isUnlisted) await this.#unlist(owner, sessionId)
    return result
  }

  /**
   * The user's index decides who is evicted: it counts what is not being removed already. A crash after its decision leaves a
   * session that is listed and does not count. The user's next sign-in beyond the limit ends that.
   */
  async evict(owner: string, removal: Removal, limit: number): Promise<Outcome | null> {
    const isSeen = removal.expected !== null
    const stamped = await this.#condemn(owner, removal.sessionId, { limit, isSeen })
    if (stamped === 'enough') return null
    return stamped === '' ? { done: false, current: null } : this.#removeCondemned(owner, removal, stamped)
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
    // A crash here leaves an entry without a session, or one that is too long, if somebody has changed the session since.
    const after = await this.#readOne(sessionId)
    if (after.raw === raw && exists(after)) return false
    const until = await this.listedUntil(sessionId, after, owner)
    if (until === false) await this.#unlist(owner, sessionId)
    else if (until !== null)
      await this.#settle(owner, sessionId, String(wanted), Math.max(until, Math.floor(Number(before))))
    return exists(after)
  }

  /** Removes the entry of a session that is gone, or another user's; resolves to what it found of the session, if it looked. */
  async #unlist(owner: string, sessionId: string): Promise<StoredRecord | null> {
    const stamped = await this.#condemn(owner, sessionId, {})
    if (stamped === '') return null
    const found = await this.#readOne(sessionId)
    const until = await this.listedUntil(sessionId, found, owner)
    // The entry stays as long as it was: somebody may have raised it for what the session is about to get.
    const ends = until === false ? '' : Math.max(Math.floor(Number(stamped)), until ?? 0)
    await this.#settle(owner, sessionId, stamped, ends)
    return found
  }

  async #readOne(sessionId: string): Promise<StoredRecord> {
    const [stored] = storedRecords(await run(this.client, readScript, [this.keys.session(sessionId)], []))
    return stored as StoredRecord
  }

  /** 'full' if the user has as many sessions as allowed. */
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
      // The answer may be lost. Nothing is written after it, so the entry can go.
      await this.#settle(owner, sessionId, freshScore(Number(until)), '').catch(() => {})
      throw error
    }
  }

  /** Lists a session at least until then. With `isMoved`, the entry is settled afterwards. */
  async #raise(owner: string, sessionId: string, until: number | null, isMoved = false): Promise<Claim> {
    return claimOf(await this.#onIndex(raiseScript, owner, [sessionId, until, isMoved ? '1' : '']))
  }

  /** Stamps an entry that is about to be removed; '' if there is none, or a reserved one. */
  async #condemn(
    owner: string,
    sessionId: string,
    { limit, isSeen }: { limit?: number; isSeen?: boolean },
  ): Promise<string> {
    return String(await this.#onIndex(condemnScript, owner, [sessionId, limit ?? '', isSeen ? '1' : '']))
  }

  /** Ends the work that began with `score`. An entry that somebody else has worked on since is left to them: 'changed'. */
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

/** If Redis answered with an error, so that nothing was written; else the answer may be lost. */
function isReply(error: unknown): boolean {
  return error instanceof CorruptSessionError || /^[A-Z]{2,} /.test(String(Object(error).message))
}

function exists({ raw, foreign }: StoredRecord): boolean {
  return raw !== null || foreign
}
