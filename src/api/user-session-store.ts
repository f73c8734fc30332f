import { type Session, type SessionData, Store } from 'express-session'
import { type Access, accessOn } from '../redis/access.ts'
import { Keys } from '../redis/keys.ts'
import { capTouch } from '../requests/cap-touch.ts'
import {
  type LoadedSession,
  loadedOf,
  loadSession,
  withCookie,
  withEnumerableCookie,
} from '../requests/load.ts'
import { RecentTouches } from '../requests/recent-touches.ts'
import { Saves, type SignIn } from '../requests/save.ts'
import { Touches } from '../requests/touch.ts'
import { type Version, Versions } from '../requests/versions.ts'
import {
  checkNames,
  checkObject,
  checkSessionId,
  checkUserId,
  plainData,
  type UserId,
} from '../session/arguments.ts'
import { badArgument } from '../session/errors.ts'
import { handleOf } from '../session/handle.ts'
import type { SessionRecord } from '../session/record.ts'
import { clearSessions, readableSessions, sessionIds } from '../users/all-sessions.ts'
import { Announcements, type RevokedListener } from '../users/announcements.ts'
import { type DestroyReason, emitLater, Reports, type StoreEvents } from '../users/events.ts'
import { enforceLimit, refuseBeyond } from '../users/limit.ts'
import { type ListedSession, listUser } from '../users/list.ts'
import { type ReindexOptions, type ReindexResult, reindexSessions } from '../users/reindex.ts'
import { replicated, type WaitForReplicas } from '../users/replication.ts'
import { revokeByHandle, revokeSession, revokeUser } from '../users/revoke.ts'
import { checkChanges, updateUserRecords } from '../users/update.ts'
import { warnOfMissingAdapter } from './adapter-warning.ts'
import { type Callback, callbackOf, calledBack, isCallback, settle } from './callback.ts'
import { type CheckedOptions, checkOptions, isCount, type UserSessionStoreOptions } from './options.ts'
import { byActivity, type UserSession, userSession } from './user-session.ts'

/** Express's request, as express-session types it. */
type Request = Parameters<Store['createSession']>[0]

export interface DestroyUserOptions {
  /** The id of a session that stays signed in, such as `req.sessionID`. */
  except?: string | undefined
}

/** Session data with the session's id. */
export type SessionWithId = SessionData & { id: string }

/** The typed events of a store. */
export interface UserSessionStore {
  on<Name extends keyof StoreEvents>(event: Name, listener: (...args: StoreEvents[Name]) => void): this
  on(event: string | symbol, listener: (...args: never[]) => void): this
  once<Name extends keyof StoreEvents>(event: Name, listener: (...args: StoreEvents[Name]) => void): this
  once(event: string | symbol, listener: (...args: never[]) => void): this
  off<Name extends keyof StoreEvents>(event: Name, listener: (...args: StoreEvents[Name]) => void): this
  off(event: string | symbol, listener: (...args: never[]) => void): this
}

/**
 * An express-session store on Redis that knows the owner of each session. Every method except `sessions` and
 * `onRevoked` returns a promise. Each also accepts a Node callback as its last argument, which is called exactly once.
 *
 * If an argument is wrong, every method rejects with a `TypeError` before anything is written. If Redis fails, it
 * rejects with the client's error.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: see above
export class UserSessionStore extends Store {
  readonly #access: Access
  readonly #versions = new Versions()
  readonly #saves: Saves
  readonly #touches: Touches
  readonly #waitForReplicas: WaitForReplicas | undefined
  readonly #maxUserSessions: CheckedOptions['maxUserSessions']
  readonly #announcements: Announcements
  readonly #reports = new Reports(this)
  /** The versions of sessions that `regenerate` is about to destroy, by id. */
  readonly #leaving = new Map<string, Version>()
  #generate: (req: Request) => void = () => {}

  /** @throws {TypeError} if an option is wrong. */
  constructor(options: UserSessionStoreOptions) {
    super()
    const checked = checkOptions(options)
    const { client, userId, ttl, serializer, scanCount, disableTouch } = checked
    const keys = new Keys(checked.prefix, checked.userPrefix)
    const absoluteTtl =
      checked.absoluteTtl === undefined ? null : Math.max(1, Math.round(checked.absoluteTtl * 1000))
    this.#access = accessOn({ client, keys, serializer, userId, scanCount, ttl, absoluteTtl, disableTouch })
    const recent = new RecentTouches()
    this.#saves = new Saves(this.#access, this.#versions, recent, {
      limitOf: (session) => this.#limitOf(session),
      refuseIfFull: (signIn) => this.#refuseIfFull(signIn),
      signedIn: (signIn) => this.#signedIn(signIn),
      rejects: checked.maxUserSessions?.onLimit === 'reject',
    })
    const interval = checked.touchInterval === undefined ? undefined : checked.touchInterval * 1000
    this.#touches = new Touches(this.#access, this.#versions, recent, this.#saves, interval)
    this.#announcements = new Announcements(this.#access, this, this.#reports, checked.subscriber)
    this.#maxUserSessions = checked.maxUserSessions
    this.#waitForReplicas = checked.waitForReplicas
  }

  /**
   * Loads a session's data. Resolves to `null` if it does not exist. A save of that data, or of the `Session` that
   * express-session makes of it, updates exactly the loaded record. A proxy of it counts as that session. A copy of it
   * counts as a new session.
   *
   * @throws {CorruptSessionError} if the value in Redis is not session data. The error names the key.
   */
  override get(sessionId: string, callback?: Callback<SessionData | null>): Promise<SessionData | null> {
    return this.#settle('get', callbackOf(callback, sessionId), async () => {
      const id = this.#access.keys.checkId(sessionId)
      const found = await loadSession(this.#access, id)
      return found && this.#remember(id, found.loaded, found.since)
    })
  }

  /**
   * Saves a session. An object that was loaded or saved before updates its session, and keeps the changes of other
   * requests. If that session was destroyed or has expired, the save is dropped without an error. Any other object
   * creates a session, and replaces the record that is there. If the session is already expired, it is deleted.
   *
   * @throws {SessionLimitError} if the user has as many sessions as `maxUserSessions` allows, with `onLimit: 'reject'`.
   */
  override set(sessionId: string, session: SessionData, callback?: Callback): Promise<void> {
    return this.#settle('set', callbackOf(callback, session, sessionId), async () => {
      const object = checkObject(session, 'session')
      warnOfMissingAdapter(this, object)
      await this.#saves.save(this.#access.keys.checkId(sessionId), object)
    })
  }

  /**
   * Moves a session's expiry, and saves a changed `cookie`. Nothing else changes. It does nothing if the session does
   * not exist, or with `disableTouch`. An expiry that moves by less than `touchInterval` since this process last wrote
   * it is not written.
   */
  override touch(sessionId: string, session: SessionData, callback?: Callback): Promise<void> {
    return this.#settle('touch', callbackOf(callback, session, sessionId), async () => {
      const id = this.#access.keys.checkId(sessionId)
      await this.#touches.touch(id, checkObject(session, 'session'))
    })
  }

  /** Deletes a session. After this has resolved, no request that loaded the session before can bring it back. */
  override destroy(sessionId: string, callback?: Callback): Promise<void> {
    return this.#settle('destroy', callbackOf(callback, sessionId), async () => {
      const id = this.#access.keys.checkId(sessionId)
      const known = this.#leaving.get(id)
      const { turns, keys } = this.#access
      await turns.destroy(keys.session(id), (deleted) => {
        const revoke = (access: Access) => revokeSession(access, id, known).finally(deleted)
        return this.#revoking('logout', revoke, () => undefined)
      })
    })
  }

  /**
   * Resolves to the data of all sessions that can be read, each with its `id`, which is no part of the data. A save of
   * that data counts as a use of the session, so it moves the expiry. `updateUser` does not. Use `sessions` for bounded
   * memory.
   */
  override all(callback?: Callback<SessionWithId[]>): Promise<SessionWithId[]> {
    return this.#settle('all', callback, async () => {
      const sessions = new Map<string, SessionWithId>()
      for await (const session of this.sessions()) sessions.set(session.id, session)
      return [...sessions.values()]
    })
  }

  /**
   * Yields the data of every session that can be read, as `all` does. Memory stays bounded, and the server is not
   * blocked. A session may come twice while Redis resizes its table. A session that is created or deleted meanwhile may
   * come or not.
   */
  sessions(): AsyncGenerator<SessionWithId, void, void> {
    const sessions = this.#allSessions()
    const next = sessions.next.bind(sessions)
    return Object.assign(sessions, { next: () => this.#settle('sessions', undefined, next) })
  }

  async *#allSessions(): AsyncGenerator<SessionWithId, void, void> {
    for await (const batch of readableSessions(this.#access)) {
      for (const session of batch) {
        const { sessionId, expires } = session
        const data = this.#remember(sessionId, loadedOf(this.#access, session, expires), session.since)
        this.#versions.showId(data as unknown as SessionRecord, sessionId)
        yield data as SessionWithId
      }
    }
  }

  /**
   * Resolves to the ids of all sessions. It reads no record. So it also gives the ids of corrupt records, and of a
   * session that has ended if a late touch keeps its key.
   */
  ids(callback?: Callback<string[]>): Promise<string[]> {
    return this.#settle('ids', callback, () => this.#ids())
  }

  async #ids(): Promise<string[]> {
    const ids = new Set<string>()
    for await (const batch of sessionIds(this.#access)) for (const id of batch) ids.add(id)
    return [...ids]
  }

  /** Resolves to the number of sessions, which are those of `ids`. */
  override length(callback?: Callback<number>): Promise<number> {
    return this.#settle('length', callback, async () => (await this.#ids()).length)
  }

  /** Deletes all sessions. */
  override clear(callback?: Callback): Promise<void> {
    return this.#settle('clear', callback, async () => {
      await clearSessions(await this.#announcements.because('revoked'))
    })
  }

  /** Lists the live sessions of a user, most recently active first. Corrupt records are left out. */
  userSessions(userId: UserId, callback?: Callback<UserSession[]>): Promise<UserSession[]> {
    return this.#settle('userSessions', callbackOf(callback, userId), async () => {
      const sessions = await listUser(this.#access, checkUserId(userId))
      const dataOf = ({ sessionId, session, expires, since }: ListedSession) =>
        this.#remember(sessionId, loadedOf(this.#access, session, expires), since)
      return sessions.map((listed) => userSession(listed, dataOf(listed))).sort(byActivity)
    })
  }

  /**
   * Signs a user out everywhere, or everywhere except in session `except`. Resolves to how many sessions were deleted.
   * None of them can come back. Corrupt records are deleted too. A session that is created at the same time may be
   * deleted or not.
   */
  destroyUser(userId: UserId, callback?: Callback<number>): Promise<number>
  destroyUser(userId: UserId, options?: DestroyUserOptions, callback?: Callback<number>): Promise<number>
  destroyUser(
    userId: UserId,
    options: DestroyUserOptions | Callback<number> = {},
    callback?: Callback<number>,
  ): Promise<number> {
    if (isLastArgument(options, callback)) return this.destroyUser(userId, {}, options)
    return this.#settle('destroyUser', callbackOf(callback, userId), async () => {
      const id = checkUserId(userId)
      const { except } = checkNames(options, ['except'], 'options') as DestroyUserOptions
      if (except !== undefined) checkSessionId(except, 'options.except')
      return this.#revoking('revoked', (access) => revokeUser(access, id, except), Number)
    })
  }

  /** Signs out one session of this user, by its handle or its id. Resolves to `false` if the user does not have it. */
  destroyUserSession(userId: UserId, handle: string, callback?: Callback<boolean>): Promise<boolean> {
    return this.#settle('destroyUserSession', callbackOf(callback, handle, userId), async () => {
      const [id, name] = [checkUserId(userId), checkSessionId(handle, 'handle')]
      return this.#revoking('revoked', (access) => revokeByHandle(access, id, name), Boolean)
    })
  }

  /**
   * Merges `data` into all sessions of a user by top-level property. Requests in flight keep the change too. Resolves
   * to how many sessions were updated. A new `expires` (ISO 8601) or `cookie` moves the TTL. Any other property that is
   * `undefined` is deleted. Each session is updated atomically, but not all of them together. The call can be repeated
   * safely.
   *
   * @throws {SessionUserError} if `data` would change the owner of a session. Such a session is not changed.
   */
  updateUser(
    userId: UserId,
    data: { [Name in keyof SessionData]?: SessionData[Name] | undefined } & { expires?: string | undefined },
    callback?: Callback<number>,
  ): Promise<number> {
    return this.#settle('updateUser', callbackOf(callback, data, userId), async () => {
      const id = checkUserId(userId)
      const patch = plainData(data, 'data')
      await checkChanges(this.#access, patch)
      return updateUserRecords(this.#access, id, patch)
    })
  }

  /**
   * Indexes the sessions that another store, such as connect-redis, wrote under the same prefix. It works in batches,
   * and can run or be repeated safely while the app runs. It never brings a session back and never shortens one. A
   * session without a TTL gets one from its cookie, its data or `ttl`.
   *
   * @throws {CorruptSessionError} at the end, if another program's key is in the place of a user's index.
   */
  reindex(callback?: Callback<ReindexResult>): Promise<ReindexResult>
  reindex(options?: ReindexOptions, callback?: Callback<ReindexResult>): Promise<ReindexResult>
  reindex(
    options?: ReindexOptions | Callback<ReindexResult>,
    callback?: Callback<ReindexResult>,
  ): Promise<ReindexResult> {
    if (isLastArgument(options, callback)) return this.reindex({}, options)
    return this.#settle('reindex', callback, () =>
      reindexSessions(this.#access, options as ReindexOptions | undefined),
    )
  }

  /**
   * Calls `listener` once, with `{ handle, userId, reason }`, when the session is destroyed. Use it to close what is
   * still open for the session, such as a WebSocket.
   *
   * Without the option `subscriber`, the store hears only of its own revocations. A natural expiry is not announced,
   * nor is a revocation by the functions. A message can get lost. The record is the truth, so call `checkRevoked` from
   * time to time.
   *
   * @returns A function that removes the listener.
   */
  onRevoked(sessionId: string, listener: RevokedListener): () => void {
    return this.#announcements.watch(this.#access.keys.checkId(sessionId), listener)
  }

  /**
   * Checks all sessions that have an `onRevoked` listener, in one round trip for 500 of them. Calls the listeners of
   * sessions that are gone or have expired, and resolves to how many those are. The store does the same by itself after
   * the subscriber has reconnected.
   */
  checkRevoked(callback?: Callback<number>): Promise<number> {
    return this.#settle('checkRevoked', callback, () => this.#announcements.check())
  }

  /**
   * Removes the store's listeners from its `subscriber`. After that, the store hears of no other process. The clients
   * stay open, and the store still works with them. It may be called again. If the subscriber's connection is down, the
   * call waits at most a second for it.
   */
  close(callback?: Callback): Promise<void> {
    return this.#settle('close', callback, () => this.#announcements.close())
  }

  /**
   * express-session makes its `Session` from loaded data. A save of that session updates the record that the data was
   * loaded from.
   */
  override createSession(req: Request, data: SessionData): Session & SessionData {
    const session = super.createSession(req, withEnumerableCookie(data))
    this.#versions.handOver(data, session)
    this.#capTouch(session)
    return session
  }

  /**
   * Destroys the session and puts a new one into `req.session`, even if this rejects because Redis failed. With
   * `absoluteTtl`, a session of the same user keeps the creation time of the one before.
   */
  override regenerate(req: Request, callback?: Callback): Promise<void> {
    return this.#settle('regenerate', callback, async () => {
      const { session: from, sessionID } = req
      const known = from && this.#versions.find(from, sessionID)?.version
      if (known) this.#leaving.set(sessionID, known)
      try {
        await calledBack(this.destroy, this, sessionID)
      } finally {
        this.#leaving.delete(sessionID)
        this.generate(req)
        this.#versions.regenerated(req.session, from)
      }
    })
  }

  /** Resolves to a `Session` without a request, by its id, or to `undefined` if it does not exist. */
  override load(
    sessionId: string,
    callback?: Callback<(Session & SessionData) | undefined>,
  ): Promise<(Session & SessionData) | undefined> {
    return this.#settle('load', nothingForNone(callbackOf(callback, sessionId)), async () => {
      const data = await calledBack<SessionData | null>(this.get, this, this.#access.keys.checkId(sessionId))
      const request = { sessionID: sessionId, sessionStore: this } as unknown as Request
      return data ? this.createSession(request, data) : undefined
    })
  }

  /** express-session sets this method, which makes the session of a new browser. */
  get generate(): (req: Request) => void {
    return this.#generate
  }

  set generate(generate: (req: Request) => void) {
    this.#generate = (req) => {
      generate.call(this, req)
      this.#capTouch(req.session)
    }
  }

  #capTouch(session: Session & Partial<SessionData>): void {
    if (this.#access.absoluteTtl === null) return
    capTouch(session, () => this.#touches.endOf(session.id, session as unknown as SessionRecord))
  }

  #settle<T>(method: string, callback: Callback<T> | undefined, work: () => Promise<T>): Promise<T> {
    return settle(work, callback, (error) => this.#reports.failed(method, error))
  }

  async #revoking<T>(
    reason: DestroyReason,
    revoke: (access: Access) => Promise<number | boolean>,
    resultOf: (revoked: number) => T,
  ): Promise<T> {
    const access = await this.#announcements.because(reason)
    return await replicated(access, this.#waitForReplicas, revoke, resultOf)
  }

  async #signedIn({ sessionId, owner, limit, isNew }: SignIn): Promise<void> {
    if (isNew) emitLater(this, 'created', () => ({ sessionId, handle: handleOf(sessionId), userId: owner }))
    if (owner === null || limit === undefined || this.#maxUserSessions?.onLimit === 'reject') return
    await enforceLimit(await this.#announcements.because('limit'), owner, sessionId, limit)
  }

  async #refuseIfFull({ sessionId, owner, limit }: Omit<SignIn, 'isNew'>): Promise<void> {
    await refuseBeyond(this.#access, owner as string, sessionId, limit as number)
  }

  #limitOf(session: object): number | undefined {
    const limit = this.#maxUserSessions?.limit
    if (typeof limit !== 'function') return limit
    const own = limit(session as SessionData)
    if (!isCount(own)) throw badArgument('maxUserSessions(session)', 'a positive integer', own)
    return own
  }

  #remember(sessionId: string, { data, version }: LoadedSession, since: number): SessionData {
    this.#versions.remember(data, sessionId, version, since)
    return withCookie(data)
  }
}

/** Whether the callback was passed in place of the options. */
function isLastArgument<T>(options: unknown, callback: unknown): options is Callback<T> {
  return isCallback(options) && (callback === undefined || callback === null)
}

/** express-session calls the callback of `load` without arguments if there is no session. */
function nothingForNone<T>(callback: Callback<T> | undefined): Callback<T> | undefined {
  if (typeof callback !== 'function') return callback
  return (...outcome) => Reflect.apply(callback, undefined, outcome[0] || outcome[1] ? outcome : [])
}
