/**
 * Saves session objects.
 *
 * - If the object was loaded or saved before, its save updates exactly the record it was made from. The save of any other
 *   object creates a session.
 * - If the session is gone, the update is dropped. If this process has destroyed the session, the update is dropped even
 *   when there is a new session under the same id.
 * - If another request has saved the session meanwhile, the update is merged.
 */
import type { Access } from '../redis/access.ts'
import { compareAndSet } from '../redis/compare-and-set.ts'
import type { IndexEntry, Write } from '../redis/records.ts'
import {
  decode,
  decodeLive,
  entryOf,
  readable,
  readOne,
  type StoredSession,
} from '../redis/stored-session.ts'
import { cookieOf, maxAgeOf } from '../session/cookie.ts'
import { badArgument, SessionLimitError } from '../session/errors.ts'
import { isoTime } from '../session/iso-time.ts'
import { createdOf, earliest } from '../session/lifetime.ts'
import { lostIdIn, namedInRecord, namedUser, namesTheSame } from '../session/owner.ts'
import type { SessionRecord } from '../session/record.ts'
import { type Draft, dataOf, draftOf } from './draft.ts'
import { loadedOf } from './load.ts'
import { ancestorOf, mergeSessions } from './merge.ts'
import type { RecentTouches } from './recent-touches.ts'
import type { Attempt, Loaded, Version, Versions } from './versions.ts'

interface SignInRules {
  /**
   * Returns how many sessions the user of this session may have. Throws a `TypeError` if the app's function returns no
   * valid number.
   */
  limitOf(session: object): number | undefined
  /** Rejects with a `SessionLimitError` if the user really has that many other sessions. */
  refuseIfFull(signIn: Omit<SignIn, 'isNew'>): Promise<void>
  /** Called after a session was created, or after it got another owner. The save waits for it. */
  signedIn(signIn: SignIn): Promise<void>
  /** Whether a sign-in beyond the limit is refused. If not, it signs out another session. */
  rejects: boolean
}

export interface SignIn {
  sessionId: string
  owner: string | null
  limit: number | undefined
  isNew: boolean
}

interface UpdateOptions {
  /** The record that this process has written since, if it is known. */
  latest?: string | undefined
  limit?: number | undefined
  isTouch?: boolean
}

/** How often a sign-in is tried that the limit refuses. In between, ended sessions are taken off the user's index. */
const maxTries = 3

/** A write, with the draft that it was made from. */
type Saving = Write & { draft: Draft }

/** Merges a change into the record that is there. `null` drops the change. */
type Merge = (current: string | null) => Promise<Saving | null>

export class Saves {
  constructor(
    readonly access: Access,
    readonly versions: Versions,
    readonly touches: RecentTouches,
    readonly rules: SignInRules,
  ) {}

  /** The data is copied when `save` is called, although the write may have to wait for its turn. */
  save(sessionId: string, session: SessionRecord): Promise<void> {
    const loaded = this.versions.findOrAdd(session, sessionId)
    const data = dataOf(session, loaded)
    const named = this.#named(session, data, loaded.version)
    const limit = this.#limitOf(loaded.version, named, session)
    const drafted = this.#draft(loaded, session, data, named)
    // A failed draft is reported when its turn comes.
    if (drafted instanceof Promise) drafted.catch(() => {})
    const work = async (latest: string | undefined) => {
      const draft = drafted instanceof Promise ? await drafted : drafted
      if (this.access.serializer !== JSON) await this.#checkOwner(loaded, draft)
      return loaded.version === null
        ? await this.#create(loaded, draft, limit)
        : await this.update(loaded, loaded.version, draft, { latest, limit })
    }
    const { turns, keys } = this.access
    const key = keys.session(sessionId)
    loaded.saving = loaded.version === null ? turns.make(key, work) : turns.take(key, work)
    return loaded.saving
  }

  /**
   * Returns the user that a session object names. The serialized data may name nobody, but not another user.
   */
  #named(session: SessionRecord, data: SessionRecord, base: Version | null): string | null {
    const { userId } = this.access
    // The user id is an object that JSON did not bring back. It is as it was loaded, so the owner stays.
    if (base?.lostId !== undefined && lostIdIn(userId, session) === base.lostId) return null
    const named = namedUser(userId, session)
    const written = namedInRecord(userId, data)
    if (written === null || written === named) return named
    throw badArgument('session.userId', 'the same in the serialized session', written)
  }

  /** Drafts a write. The owner stays as long as the object names the same user as when it was loaded. */
  #draft(
    loaded: Loaded,
    session: SessionRecord,
    data: SessionRecord,
    named: string | null,
  ): Draft | Promise<Draft> {
    const { version: base } = loaded
    const lostId = base?.lostId && lostIdIn(this.access.userId, session)
    const owner = base && named === base.named && lostId === base.lostId ? base.owner : named
    const until = base?.until ?? null
    return draftOf(this.access, data, base, {
      owner,
      named,
      lostId,
      until,
      created: this.createdAt(loaded, session, owner),
    })
  }

  /** Returns the limit if this save signs a user in. */
  #limitOf(base: Version | null, named: string | null, session: object): number | undefined {
    return named === null || named === base?.named ? undefined : this.rules.limitOf(session)
  }

  /** Returns the creation time, for `absoluteTtl`. The object's own property counts only if it is earlier. */
  createdAt(loaded: Loaded | undefined, session: SessionRecord, owner: string | null): number | null {
    if (loaded?.version)
      return loaded.version.created ?? (this.access.absoluteTtl === null ? null : Date.now())
    if (this.access.absoluteTtl === null) return createdOf(session)
    const origin = this.versions.originOf(session)
    const inherited = origin && (owner === null || owner === origin.owner) ? origin.created : null
    return earliest(inherited, createdOf(session), Date.now())
  }

  /** If a serializer drops a new owner, the save fails, because nobody could tell later whose session it is. */
  async #checkOwner({ sessionId, version }: Loaded, { version: { raw, owner } }: Draft): Promise<void> {
    if (owner === version?.owner) return
    const session = await readable(this.access, sessionId, raw)
    if (session === null) throw badArgument('session', 'data that serializes to an object', raw)
    if (session.owner !== owner)
      throw badArgument('session.userId', 'in the serialized session', session.owner)
  }

  async #create(loaded: Loaded, first: Draft, limit: number | undefined): Promise<string | undefined> {
    const { sessionId, since, attempts: [attempt] = [] } = loaded
    if (attempt) {
      // The attempt may have made a session that was destroyed since.
      if (this.isDestroyed(loaded)) return undefined
      const { raw } = await readOne(this.access, sessionId)
      const current = await readable(this.access, sessionId, raw)
      if (mayHaveWritten(attempt, current))
        return await this.update(loaded, attempt.version, first, { limit })
    }
    loaded.since = this.access.destroyed.now
    let isLate = false
    const direct = savingOf(sessionId, first, null, null)
    const write = await this.#write(loaded, first, direct, limit, async (current) => {
      loaded.since = this.access.destroyed.now
      const previous = await readable(this.access, sessionId, current)
      // The attempt had not reached Redis at the look, but has by now.
      isLate = attempt !== undefined && mayHaveWritten(attempt, previous)
      if (isLate) return null
      const draft = previous ? await this.#asOldAs(previous, first) : first
      return savingOf(sessionId, draft, current, previous && entryOf(previous))
    })
    if (attempt && isLate) {
      loaded.since = since
      return await this.update(loaded, attempt.version, first, { limit })
    }
    return write ? await this.#saved(loaded, first, write, limit) : undefined
  }

  /** Whether this process has destroyed the session that the object was loaded from, or that it has created. */
  isDestroyed({ sessionId, since }: Loaded): boolean {
    const { destroyed, keys } = this.access
    // Nearly always nothing was destroyed since. To see that needs no key.
    return since < destroyed.now && destroyed.since(keys.session(sessionId), since)
  }

  /** A session that replaces another one of the same user under the same id keeps the earlier creation time. */
  async #asOldAs(previous: StoredSession, draft: Draft): Promise<Draft> {
    const { raw, owner, named, created, until } = draft.version
    const before = createdOf(previous.data)
    if (this.access.absoluteTtl === null || before === null || before >= (created ?? 0)) return draft
    if (owner !== null && owner !== previous.owner) return draft
    const { data } = await decode(this.access, previous.sessionId, raw)
    return draftOf(this.access, data, null, { owner, named, until, created: before })
  }

  /**
   * Saves a draft that was made from `base`. If this process has written the session since, the draft is merged into that
   * record first.
   */
  async update(
    loaded: Loaded,
    base: Version,
    mine: Draft,
    { latest, limit, isTouch }: UpdateOptions,
  ): Promise<string | undefined> {
    if (this.isDestroyed(loaded)) return undefined
    const merge = async (current: string | null) => {
      const stored = await this.#mergeable(loaded, base, current)
      return stored && { ...(await this.#merged(loaded, base, mine, stored)), isTouch }
    }
    const first = await this.#firstWrite(loaded, base, mine, { latest, isTouch, merge })
    const write = first && (await this.#write(loaded, mine, first, limit, merge))
    return write ? await this.#saved(loaded, mine, write, limit) : undefined
  }

  async #firstWrite(
    { sessionId }: Loaded,
    base: Version,
    mine: Draft,
    { latest, isTouch, merge }: Omit<UpdateOptions, 'limit'> & { merge: Merge },
  ): Promise<Saving | null> {
    // The record it was made from has ended. Another request may have moved the session's end since.
    if (base.until !== null && base.until <= Date.now()) return merge(base.raw)
    const direct = { ...savingOf(sessionId, mine, base.raw, entryOf(base)), isTouch }
    // A merge that drops the update looked at an old record. The direct write finds out what is there now.
    return (latest && latest !== base.raw ? await merge(latest) : null) ?? direct
  }

  /** Resolves to the successful write. If the answer was lost, the object remembers the attempt for its next saves. */
  async #write(
    loaded: Loaded,
    mine: Draft,
    first: Saving,
    limit: number | undefined,
    again: Merge,
  ): Promise<Saving | null> {
    const limited = (saving: Saving) => (this.rules.rejects ? { ...saving, limit } : saving)
    let last = limited(first)
    const next = async (current: string | null) => {
      const saving = await again(current)
      if (saving) last = limited(saving)
      return saving && last
    }
    try {
      for (let tries = 0; tries < maxTries; tries++) {
        const write = await compareAndSet(this.access, last, next)
        if (write !== 'full') return write
        await this.rules.refuseIfFull(signInOf(last, limit))
      }
      throw new SessionLimitError(last.entry?.owner as string, limit as number)
    } catch (error) {
      // Remember the object's own data here, not the merged data. Only that is the object's change.
      if (!(error instanceof SessionLimitError))
        loaded.attempts = [...(loaded.attempts ?? []), { version: mine.version, expected: last.expected }]
      throw error
    }
  }

  async #saved(
    loaded: Loaded,
    mine: Draft,
    write: Saving,
    limit: number | undefined,
  ): Promise<string | undefined> {
    const { expires, version } = write.draft
    const { version: before, attempts } = loaded
    const isNew = before === null
    // If a sign-in was written but its answer was lost, nobody was told of it, and the limit was not enforced.
    const previousOwner = attempts ? before?.owner : write.previous?.owner
    // The next save is compared with the object's own data, not with the merged data. These two are as written.
    loaded.version = { ...mine.version, until: version.until, created: version.created }
    loaded.attempts = undefined
    if (expires <= Date.now()) return undefined
    this.touches.remember(loaded.sessionId, expires, version.until)
    if (isNew || write.entry?.owner !== previousOwner) {
      const counted = limit ?? (isNew ? undefined : await this.#limitOfMerged(write))
      await this.rules.signedIn({ ...signInOf(write, counted), isNew })
    }
    return write.record
  }

  /** Returns the limit if only the merge signs a user in: another request has signed the user out. */
  async #limitOfMerged({ sessionId, record, entry }: Saving): Promise<number | undefined> {
    if (entry === null) return undefined
    const { data } = await decode(this.access, sessionId, record)
    return this.rules.limitOf(data)
  }

  /** Parses the record that is there, or resolves to `null` if the update is dropped. */
  async #mergeable(loaded: Loaded, base: Version, current: string | null): Promise<StoredSession | null> {
    if (current === null) return null
    // A late touch may have kept the key of a session that has ended.
    const stored = await decodeLive(this.access, loaded.sessionId, current)
    if (stored === null || this.isDestroyed(loaded)) return null
    // A session of another user under the same id is not the one that was loaded. But a save whose answer was lost may
    // have changed the user.
    const owners = [null, base.owner, ...(loaded.attempts ?? []).map(({ version }) => version.owner)]
    return base.owner === null || owners.includes(stored.owner) ? stored : null
  }

  /** Merges the object's changes into the record that is there. */
  async #merged(
    { sessionId, attempts = [] }: Loaded,
    base: Version,
    mine: Draft,
    stored: StoredSession,
  ): Promise<Saving> {
    const before = await this.dataOf(sessionId, base)
    const after = await this.dataOf(sessionId, mine.version)
    const tried = await Promise.all(attempts.map(({ version }) => this.dataOf(sessionId, version)))
    const ancestor = ancestorOf(before, tried, stored.data)
    const data = withMergedExpiry(mergeSessions(ancestor, after, stored.data), mine, stored, base)
    const draft = await this.#draftOfMerged(data, stored, after, mine)
    return savingOf(sessionId, draft, stored.raw, entryOf(stored))
  }

  /** If the merge kept the user of the record or of the object, which is `after`, it keeps the owner as well. */
  async #draftOfMerged(
    data: SessionRecord,
    stored: StoredSession,
    after: SessionRecord,
    mine: Draft,
  ): Promise<Draft> {
    const { userId } = this.access
    const named = namedInRecord(userId, data)
    const isOf = (other: SessionRecord) => namesTheSame(userId, data, other)
    const owner = isOf(stored.data) ? stored.owner : isOf(after) ? mine.version.owner : named
    const created = earliest(mine.version.created, createdOf(stored.data))
    const { version } = loadedOf(this.access, stored, null)
    return draftOf(this.access, data, version.rolls ? null : version, {
      owner,
      named,
      until: stored.until,
      created,
    })
  }

  async dataOf(sessionId: string, { raw }: Version): Promise<SessionRecord> {
    return (await decode(this.access, sessionId, raw)).data
  }
}

/** An expiry that the app set outright stays. Otherwise the lifetime of the merged cookie counts from now. */
function withMergedExpiry(
  merged: SessionRecord,
  mine: Draft,
  stored: StoredSession,
  base: Version,
): SessionRecord {
  const cookie = cookieOf(merged)
  const isMoved = mine.version.cookieExpires !== base.cookieExpires
  if (!cookie || (isMoved && !mine.isTouched)) return merged
  const recorded = stored.cookieExpires
  const maxAge = maxAgeOf(merged)
  const isOutright = recorded === stored.until
  if (maxAge !== null && recorded !== null && (!isOutright || isMoved)) {
    return { ...merged, cookie: { ...cookie, expires: isoTime(Date.now() + maxAge) } }
  }
  return { ...merged, cookie: { ...cookie, expires: cookieOf(stored.data)?.expires ?? null } }
}

/** Whether this record may be that of an attempt without an answer, because another record was there before. */
function mayHaveWritten({ expected }: Attempt, current: StoredSession | null): boolean {
  return current !== null && current.raw !== expected
}

function savingOf(
  sessionId: string,
  draft: Draft,
  expected: string | null,
  previous: IndexEntry | null,
): Saving {
  const { version, expires } = draft
  return {
    sessionId,
    expected,
    record: version.raw,
    expiry: { at: expires },
    entry: entryOf(version),
    previous,
    draft,
  }
}

function signInOf({ sessionId, entry }: Write, limit: number | undefined): Omit<SignIn, 'isNew'> {
  return { sessionId, owner: entry?.owner ?? null, limit }
}
