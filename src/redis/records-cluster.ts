import { settleAll } from '../session/settle-all.ts'
import type { SessionClient } from './clients/client.ts'
import type { Keys } from './keys.ts'
import type { Eviction, IndexPage, Outcome, Records, Removal, Seen, StoredRecord, Write } from './records.ts'
import { indexPage, outcome, pageSize, removalArguments, storedRecords, writeArguments } from './replies.ts'
import {
  condemnScript,
  listsScript,
  lowerScript,
  pageScript,
  raiseScript,
  readScript,
  removeScript,
  run,
  writeScript,
} from './scripts.ts'

/**
 * Redis Cluster: a session and the indexes that list it live in different slots, so each step is a script on one key, and the
 * order of the steps keeps the guarantees:
 *
 * - An index lists a session before it lives, and no shorter than it lives. So a crash leaves at most an entry that is too much
 *   or too long, never a session that is not listed.
 * - Who removes an entry looks at the session afterwards, and puts the entry back if there is a session that he has not seen.
 * - Who makes a session, or gives it to another user, lists it again afterwards: someone may have removed the entry while there
 *   was no such session yet. Until then the entry has half a millisecond more, so that a removal of what was seen earlier
 *   does not hit the confirmed entry.
 */
export class ClusterRecords implements Records {
  constructor(
    readonly client: SessionClient,
    readonly keys: Keys,
  ) {}

  async read(sessionIds: readonly string[]): Promise<StoredRecord[]> {
    return settleAll(sessionIds.map((sessionId) => this.#readOne(sessionId)))
  }

  async write(write: Write): Promise<Outcome> {
    return write.owner === null ? this.#writeUnlisted(write) : this.#writeListed(write, write.owner)
  }

  /** A session without a user, or whose user is not known. */
  async #writeUnlisted(write: Write): Promise<Outcome> {
    // A crash before this step changes nothing; after it, the previous user's index has an entry that is not his, which his
    // next listing removes.
    const { written, result } = await this.#writeSession(write)
    if (written !== null) await this.#leavePrevious(write)
    return result
  }

  async #writeListed(write: Write, owner: string): Promise<Outcome> {
    const { sessionId, previousOwner, expected } = write
    const expires = write.keepTtl ? await this.#keptExpiry(write) : write.expires
    const isNew = expected === null || previousOwner !== owner
    const score = isNew ? expires + unconfirmed : expires
    const before = await this.#raise(owner, sessionId, score)
    // A crash here leaves an entry for a session that does not exist, is not his, or expires sooner. His next listing
    // removes it in the first two cases; the next write of the session puts its score right in the last.
    const { written, result } = await this.#writeSession(write)
    if (written === null) {
      await this.#undoRaise(owner, sessionId, score, before, result.done ? null : result.current)
      return result
    }
    // A crash here leaves a session that is listed, if nobody removed the entry just before the session was written; its next
    // write lists it again. An entry that should have been lowered stays too long until then. The previous user's index has
    // an entry that is not his, which his next listing removes.
    const lowered = before !== null && before > written
    if (lowered) await this.#lower(owner, sessionId, before, written)
    // A crash here, after another write that gave the session back the very end that the entry had, leaves an entry that is too
    // short; his next listing, and the next write of the session, put it right.
    const raised = before === null || before < score
    const moved = !write.keepTtl && (!raised || write.record === expected)
    if (isNew || moved || lowered || written > expires)
      await this.#confirm(owner, sessionId, written, isNew ? score : undefined)
    await this.#leavePrevious(write)
    return result
  }

  /** The index lies in another slot, and tells nothing of the session at this moment: the whole record must. */
  async touch(): Promise<boolean> {
    return false
  }

  async remove(removal: Removal): Promise<Outcome> {
    const { sessionId, owners } = removal
    const keys = [this.keys.session(sessionId)]
    const result = outcome(await run(this.client, removeScript, keys, removalArguments(removal)))
    // A crash here leaves entries without a session; the next listing removes them.
    if (result.done || result.current === null) {
      await settleAll(owners.map((owner) => this.#unlist(owner, { sessionId, score: null, raw: null })))
    }
    return result
  }

  /**
   * The user's index decides who is evicted: it counts what is not being evicted already. A crash after its decision leaves a
   * session that is listed, but does not count; the user's next sign-in beyond the limit, or a touch, ends that.
   */
  async evict(userId: string, eviction: Eviction): Promise<Outcome | null> {
    const args = [eviction.sessionId, String(eviction.limit)]
    const condemned = Number(await run(this.client, condemnScript, [this.keys.index(userId)], args))
    if (condemned === -1) return null
    return condemned === 1 ? this.remove(eviction) : { done: false, current: null }
  }

  async page(userId: string, cursor: string): Promise<IndexPage> {
    return indexPage(
      await run(this.client, pageScript, [this.keys.index(userId)], [cursor, String(pageSize)]),
    )
  }

  async reconcile(userId: string, seen: readonly Seen[]): Promise<string[]> {
    const changed = await settleAll(
      seen.map((session) => (session.his ? this.#list(userId, session) : this.#unlist(userId, session))),
    )
    return seen.filter((_, n) => changed[n]).map(({ sessionId }) => sessionId)
  }

  async lists(userId: string, sessionId: string): Promise<boolean> {
    return Number(await run(this.client, listsScript, [this.keys.index(userId)], [sessionId])) === 1
  }

  /**
   * Lists a session that was seen to be this user's; resolves to whether it has changed since. An entry that is too long stays:
   * someone may have raised it for an expiry that the session is about to get.
   */
  async #list(userId: string, { sessionId, raw }: Seen): Promise<boolean> {
    const stored = await this.#readOne(sessionId)
    if (stored.raw !== raw) return true
    if (stored.expires === null) return false
    return (await this.#confirm(userId, sessionId, stored.expires)).raw !== raw
  }

  /** Lists a session that has this expiry, or had it just now; resolves to the session as it is afterwards. */
  async #confirm(
    owner: string,
    sessionId: string,
    expires: number,
    replaces?: number,
  ): Promise<StoredRecord> {
    await this.#raise(owner, sessionId, expires, replaces)
    // A crash here, after a revocation that came between, leaves an entry without a session; the next listing removes it. After
    // a touch to an earlier end that came between, it leaves an entry that is too long; the next write of the session puts it right.
    const after = await this.#readOne(sessionId)
    if (!exists(after)) await this.#unlist(owner, { sessionId, score: null, raw: null })
    else if (after.expires !== null && after.expires < expires) {
      await this.#lower(owner, sessionId, expires, after.expires)
      const { expires: last } = await this.#readOne(sessionId)
      if (last !== null && last > after.expires) await this.#confirm(owner, sessionId, last)
    } else if (after.expires !== null && after.expires > expires) {
      // Its raised entry may have been lowered by who had seen the same score before.
      await this.#confirm(owner, sessionId, after.expires)
    }
    return after
  }

  /**
   * Removes the entry of a session that was seen to be gone or another user's; resolves to whether there is one now that was not
   * seen, which is then listed again.
   */
  async #unlist(userId: string, { sessionId, score, raw }: Omit<Seen, 'his'>): Promise<boolean> {
    await this.#lower(userId, sessionId, score, null)
    // A crash here, while a session of this user was being made, leaves it unlisted until its maker confirms it.
    const stored = await this.#readOne(sessionId)
    if (!exists(stored) || stored.raw === raw) return false
    if (stored.expires !== null) await this.#confirm(userId, sessionId, stored.expires)
    return true
  }

  /** The session was not written: an entry that was made for it must not stay. */
  async #undoRaise(
    owner: string,
    sessionId: string,
    score: number,
    before: number | null,
    current: string | null,
  ) {
    if (before === null) await this.#unlist(owner, { sessionId, score, raw: current })
    else if (current === null) await this.#unlist(owner, { sessionId, score: null, raw: null })
  }

  async #leavePrevious({ sessionId, owner, previousOwner, record }: Write): Promise<void> {
    if (previousOwner === null || previousOwner === owner) return
    await this.#unlist(previousOwner, { sessionId, score: null, raw: record })
  }

  async #writeSession(write: Write): Promise<SessionWrite> {
    const keys = [this.keys.session(write.sessionId)]
    const reply = await run(this.client, writeScript, keys, writeArguments(write, false))
    const result = outcome(reply)
    return { result, written: result.done ? Number(reply) : null }
  }

  async #keptExpiry({ sessionId, expires }: Write): Promise<number> {
    return (await this.#readOne(sessionId)).expires ?? expires
  }

  async #readOne(sessionId: string): Promise<StoredRecord> {
    const [stored] = storedRecords(await run(this.client, readScript, [this.keys.session(sessionId)], []))
    return stored as StoredRecord
  }

  /** Resolves to the score before, or `null`. */
  async #raise(userId: string, sessionId: string, score: number, replaces?: number): Promise<number | null> {
    const args = [sessionId, String(score), String(replaces ?? '')]
    const before = await run(this.client, raiseScript, [this.keys.index(userId)], args)
    return String(before) === '' ? null : Number(before)
  }

  async #lower(userId: string, sessionId: string, from: number | null, to: number | null): Promise<void> {
    const args = [sessionId, String(from ?? ''), String(to ?? '')]
    await run(this.client, lowerScript, [this.keys.index(userId)], args)
  }
}

/** In ms, until the session of a new entry is known to have been written. */
const unconfirmed = 0.5

interface SessionWrite {
  result: Outcome
  /** The session's expiry in ms since 1970; `null` where it was not written. */
  written: number | null
}

function exists({ raw, foreign }: StoredRecord): boolean {
  return raw !== null || foreign
}
