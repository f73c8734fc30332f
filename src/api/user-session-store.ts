import type { Request } from 'express'
import { type Session, type SessionData, Store } from 'express-session'
import type { Access } from '../redis/access.ts'
import { Keys } from '../redis/keys.ts'
import type { SessionRecord } from '../redis/records.ts'
import { recordsOn } from '../redis/records-on.ts'
import { loadSession, withCookie, withEnumerableCookie } from '../requests/load.ts'
import { LoadedSessions } from '../requests/loaded-sessions.ts'
import { Saves, type SignIn } from '../requests/save.ts'
import {
  checkNames,
  checkObject,
  checkSessionId,
  checkUserId,
  plainData,
  type UserId,
} from '../session/arguments.ts'
import { stringifyRecord } from '../session/codec.ts'
import { badArgument } from '../session/errors.ts'
import { checkTimestamp } from '../session/expiry.ts'
import { handleOf } from '../session/handle.ts'
import { capTouch } from '../session/lifetime.ts'
import { lenientOwner, strictOwner } from '../session/owner.ts'
import { clearSessions, readableSessions, sessionIds } from '../users/enumerate.ts'
import { type DestroyReason, emitLater, Reports, type StoreEvents } from '../users/events.ts'
import { enforceLimit } from '../users/limit.ts'
import { listUser } from '../users/list.ts'
import { type ReindexOptions, type ReindexResult, reindexSessions } from '../users/reindex.ts'
import { replicated, type WaitForReplicas } from '../users/replication.ts'
import { checkListener, Revocations, type RevokedListener } from '../users/revocations.ts'
import { revokeByHandle, revokeSession, revokeUser } from '../users/revoke.ts'
import { patchWith, updateUserRecords } from '../users/update.ts'
import { type Callback, settle } from './callback.ts'
import { type CheckedOptions, checkOptions, isCount, type UserSessionStoreOptions } from './options.ts'
import { byActivity, type UserSession, userSession } from './user-session.ts'

export interface DestroyUserOptions {
  /** The id of a session that stays, such as `req.sessionID`. */
  except?: string
}

/** Session data with the id of its session. */
export type SessionWithId = SessionData & { id: string }

/** The events of a store, typed. */
export interface UserSessionStore {
  on<Name extends keyof StoreEvents>(event: Name, listener: (...args: StoreEvents[Name]) => void): this
  on(event: string | symbol, listener: (...args: never[]) => void): this
  once<Name extends keyof StoreEvents>(event: Name, listener: (...args: StoreEvents[Name]) => void): this
  once(event: string | symbol, listener: (...args: never[]) => void): this
  off<Name extends keyof StoreEvents>(event: Name, listener: (...args: StoreEvents[Name]) => void): this
  off(event: string | symbol, listener: (...args: never[]) => void): this
}

/**
 * An express-session store on Redis that knows whose session is whose. Every method but `sessions` returns a promise, and
 * takes an optional Node callback as its last argument; the callback is called exactly once.
 *
 * All methods reject with a `TypeError` for wrong arguments, before anything is written, and with the client's error where
 * Redis fails.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: see above
export class UserSessionStore extends Store {
  readonly #access: Access
  readonly #sessions: LoadedSessions
  readonly #saves: Saves
  readonly #disableTouch: boolean
  readonly #waitForReplicas: WaitForReplicas | undefined
  readonly #maxUserSessions: CheckedOptions['maxUserSessions']
  readonly #revocations: Revocations
  readonly #reports = new Reports(this)
  #generate: (req: Request) => void = () => {}

  /** @throws {TypeError} for a wrong option. */
  constructor(options: UserSessionStoreOptions) {
    super()
    const checked = checkOptions(options)
    const { client, userId, ttl, serializer, scanCount } = checked
    const keys = new Keys(checked.prefix, checked.userPrefix)
    const absoluteTtl = checked.absoluteTtl === undefined ? null : Math.round(checked.absoluteTtl * 1000)
    const ownerOf = (data: object) => lenientOwner(userId, data)
    this.#access = {
      client,
      keys,
      records: recordsOn(client, keys),
      serializer,
      ttl,
      scanCount,
      absoluteTtl,
      ownerOf,
    }
    this.#sessions = new LoadedSessions(this.#access)
    this.#saves = new Saves(this.#access, this.#sessions, {
      ownerOf: (session) => strictOwner(userId, session),
      touchInterval: (checked.touchInterval ?? 0) * 1000,
      limitOf: (session) => this.#limitOf(session),
      signedIn: (event) => this.#signedIn(event),
    })
    this.#revocations = new Revocations(this.#access, this, this.#reports, checked.subscriber)
    this.#maxUserSessions = checked.maxUserSessions
    this.#disableTouch = checked.disableTouch
    this.#waitForReplicas = checked.waitForReplicas
  }

  /**
   * Loads a session's data; `null` where it does not exist. Saving that data, or the `Session` that express-session makes of
   * it, updates exactly the record that was loaded.
   *
   * @throws {CorruptSessionError} where what Redis holds is not session data; it names the key.
   */
  override get(sessionId: string, callback?: Callback<SessionData | null>): Promise<SessionData | null> {
    return this.#settle('get', callback, () => this.#get(sessionId))
  }

  async #get(id: string): Promise<SessionData | null> {
    const sessionId = this.#checkId(id)
    const loaded = await loadSession(this.#access, sessionId)
    return loaded && this.#remember(sessionId, loaded)
  }

  /**
   * Saves a session. One that was loaded, or saved before, is updated: what other requests have changed meanwhile is kept, and
   * the save is dropped without an error where the session was destroyed or has expired. Any other object creates the session,
   * and replaces what is there. One that is already expired is deleted.
   */
  override set(sessionId: string, session: SessionData, callback?: Callback): Promise<void> {
    return this.#settle('set', callback, () => this.#set(sessionId, session))
  }

  async #set(sessionId: string, session: SessionData): Promise<void> {
    await this.#saves.save(this.#checkId(sessionId), checkObject(session, 'session'))
  }

  /**
   * Moves a session's expiry, with its cookie and index entry, and changes nothing else; does nothing where the session does not
   * exist, or with `disableTouch`.
   */
  override touch(sessionId: string, session: SessionData, callback?: Callback): Promise<void> {
    return this.#settle('touch', callback, () => this.#touch(sessionId, session))
  }

  async #touch(id: string, data: SessionData): Promise<void> {
    const [sessionId, session] = [this.#checkId(id), checkObject(data, 'session')]
    if (!this.#disableTouch) await this.#saves.touch(sessionId, session)
  }

  /** Deletes a session for good: no request that had loaded it can bring it back. */
  override destroy(sessionId: string, callback?: Callback): Promise<void> {
    return this.#settle('destroy', callback, () => this.#destroy(sessionId))
  }

  async #destroy(sessionId: string): Promise<void> {
    const id = this.#checkId(sessionId)
    await this.#saves.created(id)
    const revoke = (access: Access) => revokeSession(access, id)
    await this.#revoking('logout', revoke, () => undefined)
  }

  /** The data of all sessions that can be read, each with its `id`. See `sessions` for bounded memory. */
  override all(callback?: Callback<SessionWithId[]>): Promise<SessionWithId[]> {
    return this.#settle('all', callback, () => this.#all())
  }

  async #all(): Promise<SessionWithId[]> {
    const sessions = new Map<string, SessionWithId>()
    for await (const session of this.sessions()) sessions.set(session.id, session)
    return [...sessions.values()]
  }

  /**
   * Every session that can be read, as `all` has them, in bounded memory and without holding the server. A session may come
   * twice while Redis resizes its table; one that is made or deleted meanwhile may come or not.
   */
  sessions(): AsyncGenerator<SessionWithId, void, void> {
    const sessions = this.#allSessions()
    const next = sessions.next.bind(sessions)
    return Object.assign(sessions, { next: () => this.#settle('sessions', undefined, next) })
  }

  async *#allSessions(): AsyncGenerator<SessionWithId, void, void> {
    for await (const batch of readableSessions(this.#access)) {
      for (const { sessionId, ...loaded } of batch) {
        yield Object.assign(this.#remember(sessionId, loaded), { id: sessionId })
      }
    }
  }

  /** The ids of all sessions. */
  ids(callback?: Callback<string[]>): Promise<string[]> {
    return this.#settle('ids', callback, () => this.#ids())
  }

  async #ids(): Promise<string[]> {
    const ids = new Set<string>()
    for await (const batch of sessionIds(this.#access)) for (const id of batch) ids.add(id)
    return [...ids]
  }

  /** How many sessions there are. */
  override length(callback?: Callback<number>): Promise<number> {
    return this.#settle('length', callback, async () => (await this.#ids()).length)
  }

  /** Deletes all sessions. */
  override clear(callback?: Callback): Promise<void> {
    return this.#settle('clear', callback, () => this.#clear())
  }

  async #clear(): Promise<void> {
    await clearSessions(await this.#revocations.because('revoked'))
  }

  /** The live sessions of a user, most recently active first. Records that cannot be read are left out. */
  userSessions(userId: UserId, callback?: Callback<UserSession[]>): Promise<UserSession[]> {
    return this.#settle('userSessions', callback, () => this.#userSessions(userId))
  }

  async #userSessions(userId: UserId): Promise<UserSession[]> {
    const sessions = await listUser(this.#access, checkUserId(userId))
    return sessions
      .map((session) => userSession(session, this.#remember(session.sessionId, session)))
      .sort(byActivity)
  }

  /**
   * Signs a user out everywhere, or everywhere but in one session; resolves to how many sessions that were. Each session is
   * deleted for good. One that is created meanwhile may be signed out or not.
   */
  destroyUser(userId: UserId, callback?: Callback<number>): Promise<number>
  destroyUser(userId: UserId, options?: DestroyUserOptions, callback?: Callback<number>): Promise<number>
  destroyUser(
    userId: UserId,
    options?: DestroyUserOptions | Callback<number>,
    callback?: Callback<number>,
  ): Promise<number> {
    if (isLastArgument(options, callback)) return this.destroyUser(userId, {}, options)
    return this.#settle('destroyUser', callback, () =>
      this.#destroyUser(userId, options as DestroyUserOptions),
    )
  }

  async #destroyUser(id: UserId, options: DestroyUserOptions = {}): Promise<number> {
    const userId = checkUserId(id)
    const { except } = checkNames(options, ['except'], 'options') as DestroyUserOptions
    if (except !== undefined) checkSessionId(except, 'options.except')
    const revoke = (access: Access) => revokeUser(access, userId, except)
    return this.#revoking('revoked', revoke, (revoked) => revoked)
  }

  /** Signs out one session of this user, by its handle or its id; resolves to `false` where it is not his. */
  destroyUserSession(userId: UserId, handle: string, callback?: Callback<boolean>): Promise<boolean> {
    return this.#settle('destroyUserSession', callback, () => this.#destroyUserSession(userId, handle))
  }

  async #destroyUserSession(userId: UserId, handle: string): Promise<boolean> {
    const [user, name] = [checkUserId(userId), checkSessionId(handle, 'handle')]
    const revoke = (access: Access) => revokeByHandle(access, user, name)
    return this.#revoking('revoked', revoke, (revoked) => revoked > 0)
  }

  /**
   * Merges `data` into all sessions of a user by top-level property, so that it holds in requests in flight too; resolves to how
   * many sessions that were. A new `expires` (ISO 8601) or `cookie` moves the TTL. Each session is updated atomically, all of
   * them together are not; it is safe to repeat.
   *
   * @throws {SessionUserError} where `data` would change whose session it is; such a session is not changed.
   */
  updateUser(userId: UserId, data: Partial<SessionData>, callback?: Callback<number>): Promise<number> {
    return this.#settle('updateUser', callback, () => this.#updateUser(userId, data))
  }

  async #updateUser(id: UserId, data: object): Promise<number> {
    const userId = checkUserId(id)
    const patch = plainData(data, 'data')
    if (patch.expires !== undefined) checkTimestamp(patch.expires, 'data.expires')
    await stringifyRecord(this.#access.serializer, patch)
    return updateUserRecords(this.#access, userId, patchWith(patch))
  }

  /**
   * Indexes the sessions that another store, such as connect-redis, wrote under the same prefix; in batches, safe while the app
   * runs, and safe to repeat. It never brings a session back and never shortens one. (A session without any TTL gets the one
   * that its cookie, its data or `ttl` says.)
   */
  reindex(callback?: Callback<ReindexResult>): Promise<ReindexResult>
  reindex(options?: ReindexOptions, callback?: Callback<ReindexResult>): Promise<ReindexResult>
  reindex(
    options?: ReindexOptions | Callback<ReindexResult>,
    callback?: Callback<ReindexResult>,
  ): Promise<ReindexResult> {
    if (isLastArgument(options, callback)) return this.reindex({}, options)
    return this.#settle('reindex', callback, () =>
      reindexSessions(this.#access, (options ?? {}) as ReindexOptions),
    )
  }

  /**
   * Calls `listener` once, with `{ handle, userId, reason }`, when the session is destroyed by anybody: to close what is still open
   * for it. Without the option `subscriber` the store hears only of what it does itself. Neither a natural expiry nor a revocation by
   * the functions is announced, and a message can get lost: the record is the truth, so let what stays open for long call
   * `checkRevoked` from time to time.
   *
   * @returns A function that takes the listener back.
   */
  onRevoked(sessionId: string, listener: RevokedListener): () => void {
    return this.#revocations.watch(this.#checkId(sessionId), checkListener(listener))
  }

  /**
   * Looks at all sessions that have an `onRevoked` listener, in one round trip for 500 of them, and calls the listeners of those that
   * are gone or have expired; resolves to how many. It is done by itself whenever the subscriber's connection has come back.
   */
  checkRevoked(callback?: Callback<number>): Promise<number> {
    return this.#settle('checkRevoked', callback, () => this.#revocations.check())
  }

  /**
   * Takes the store's listeners off its `subscriber`: from then on it hears of no other process. The clients stay open, and the
   * store goes on to work with them. May be called again. If the subscriber's connection is down, it waits for it for a second.
   */
  close(callback?: Callback): Promise<void> {
    return this.#settle('close', callback, () => this.#revocations.close())
  }

  /** express-session makes its `Session` of loaded data; what the data is an update of, the session is an update of. */
  override createSession(req: Request, data: SessionData): Session & SessionData {
    const session = super.createSession(req, withEnumerableCookie(data))
    this.#sessions.handOver(data, session)
    this.#capTouch(session)
    return session
  }

  /**
   * Destroys the session and makes a new one, which `req.session` is then, even if this rejects because Redis failed. With
   * `absoluteTtl` a session of the same user is as old as the one it comes from.
   */
  override regenerate(req: Request, callback?: Callback): Promise<void> {
    return this.#settle('regenerate', callback, () => this.#regenerate(req))
  }

  async #regenerate(req: Request): Promise<void> {
    const from = req.session
    try {
      await this.destroy(req.sessionID)
    } finally {
      this.generate(req)
      this.#sessions.regenerated(req.session, from)
    }
  }

  /** A `Session` without a request, by its id; `undefined` if it does not exist. */
  override load(
    sessionId: string,
    callback?: Callback<(Session & SessionData) | undefined>,
  ): Promise<(Session & SessionData) | undefined> {
    return this.#settle('load', nothingForNone(callback), () => this.#load(sessionId))
  }

  async #load(sessionID: string): Promise<(Session & SessionData) | undefined> {
    const data = await this.get(sessionID)
    return data
      ? this.createSession({ sessionID, sessionStore: this } as unknown as Request, data)
      : undefined
  }

  /** express-session gives the store this method, which makes the session of a new browser. */
  get generate(): (req: Request) => void {
    return this.#generate
  }

  set generate(generate: (req: Request) => void) {
    this.#generate = (req) => {
      generate(req)
      this.#capTouch(req.session)
    }
  }

  #capTouch(session: Session & Partial<SessionData>): void {
    if (this.#access.absoluteTtl === null) return
    capTouch(session, () => this.#saves.endOf(session.id, session as unknown as SessionRecord))
  }

  #checkId(sessionId: unknown): string {
    const id = checkSessionId(sessionId)
    this.#access.keys.session(id)
    return id
  }

  #settle<T>(method: string, callback: Callback<T> | undefined, work: () => Promise<T>): Promise<T> {
    return settle(work, callback, (error) => this.#reports.failed(method, error))
  }

  async #revoking<T>(
    reason: DestroyReason,
    revoke: (access: Access) => Promise<number | boolean>,
    resultOf: (revoked: number) => T,
  ): Promise<T> {
    return replicated(await this.#revocations.because(reason), this.#waitForReplicas, revoke, resultOf)
  }

  async #signedIn({ sessionId, owner, limit, isNew }: SignIn): Promise<void> {
    if (isNew) emitLater(this, 'created', { sessionId, handle: handleOf(sessionId), userId: owner })
    if (owner === null || limit === undefined) return
    await enforceLimit(await this.#revocations.because('limit'), owner, sessionId, limit)
  }

  #limitOf(session: object): number | undefined {
    const limit = this.#maxUserSessions?.limit
    if (typeof limit !== 'function') return limit
    const own = limit(session as SessionData)
    if (!isCount(own)) throw badArgument('maxUserSessions(session)', 'a positive integer', own)
    return own
  }

  #remember(sessionId: string, { data, raw }: { data: SessionRecord; raw: string }): SessionData {
    this.#sessions.remember(data, sessionId, raw)
    return withCookie(data)
  }
}

/** If the callback stands where options may stand. */
function isLastArgument<T>(options: unknown, callback: unknown): options is Callback<T> {
  return typeof options === 'function' && (callback === undefined || callback === null)
}

/** express-session calls the callback of `load` without arguments if there is no session. */
function nothingForNone<T>(callback: Callback<T> | undefined): Callback<T> | undefined {
  if (typeof callback !== 'function') return callback
  return (...outcome) => Reflect.apply(callback, undefined, outcome[0] || outcome[1] ? outcome : [])
}
