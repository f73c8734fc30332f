import { type Access, accessOn } from '../redis/access.ts'
import { type SupportedClient, sessionClient } from '../redis/clients/supported.ts'
import { compareAndSet } from '../redis/compare-and-set.ts'
import { defaultPrefix, defaultUserPrefix, Keys } from '../redis/keys.ts'
import type { Write } from '../redis/records.ts'
import { decode, encode, entryOf, hasEnded, readLive } from '../redis/stored-session.ts'
import { checkNames, checkUserId, plainData, type UserId, userIdOf } from '../session/arguments.ts'
import { cookieExpiry, withCookieExpiry } from '../session/cookie.ts'
import { badArgument, SessionNotFoundError, SessionUserError } from '../session/errors.ts'
import { checkTimestamp, dataExpiry } from '../session/expiry.ts'
import { withoutNote } from '../session/index-note.ts'
import { isoTime } from '../session/iso-time.ts'
import { defaultUserId, namedUser, type UserIdOption } from '../session/owner.ts'
import type { SessionRecord } from '../session/record.ts'
import { newSessionId } from '../session/session-id.ts'
import { listUser } from '../users/list.ts'
import { replicated, type WaitForReplicas } from '../users/replication.ts'
import { revokeSession, revokeUser } from '../users/revoke.ts'
import { checkChanges, moveCookie, updateSessionRecord, updateUserRecords } from '../users/update.ts'
import { checkWaitForReplicas, defaultScanCount, defaultTtl } from './options.ts'

/** Options of all functions. */
export interface FunctionOptions {
  /**
   * A connected client: node-redis (client, pool, Sentinel or Cluster), ioredis or iovalkey (client or Cluster), or
   * your own adapter. A client is refused if it caches reads, reads from replicas or has a `keyPrefix`.
   */
  client: SupportedClient
  /** The beginning of session keys. Default `'session:'`. */
  prefix?: string | undefined
  /** The beginning of user index keys. Default `'user:'` with the default prefix, else `'user:<prefix>'`. */
  userPrefix?: string | undefined
}

/** Options of the functions that work on one session. */
export interface OneSessionOptions extends FunctionOptions {
  /**
   * The store's option `userId`: returns the owner of a session. Default: `userId` in the data, else Passport's user.
   */
  userId?: UserIdOption | undefined
}

/** Options of the functions that revoke sessions. */
export interface RevokingOptions extends FunctionOptions {
  /**
   * Waits until replicas have the revocation. Rejects with `NotReplicatedError` if too few replicas have it in time.
   * Default: waits only for the master.
   */
  waitForReplicas?: WaitForReplicas | undefined
}

/** Session data for the functions: `userId`, `expires`, and any other JSON data. */
export interface UserSessionData {
  /** The owner of the session: a non-empty string. It never changes. */
  userId: string
  /** The end of the session: an ISO 8601 timestamp. A timestamp with a time also needs an offset or `Z`. */
  expires: string
}

/**
 * Creates a session and lists it in its user's index. Replaces a session of the same user under the same id. A session
 * that is already expired is not an error, and leaves nothing behind.
 *
 * @param options.sessionId Default: 24 random bytes, base64url.
 * @param options.data With the option `userId`, it needs no `userId`.
 * @returns The session id.
 * @throws {TypeError} if an argument is wrong. Nothing is written.
 * @throws {SessionUserError} if another user has a session with this id. Nothing is written.
 */
export async function createSession<T extends Pick<UserSessionData, 'expires'>>(
  options: OneSessionOptions & { sessionId?: string | undefined } & (
      | { data: T & Pick<UserSessionData, 'userId'> }
      | { userId: UserIdOption; data: T }
    ),
): Promise<string> {
  const access = accessOf(options, ['sessionId', 'data', 'userId'])
  const sessionId = options.sessionId === undefined ? newSessionId() : access.keys.checkId(options.sessionId)
  const given = withoutNote(plainData(options.data, 'data'))
  const owner = ownerOf(options, given)
  const expires = checkTimestamp(given.expires, 'data.expires')
  const data = moveCookie(given, given.expires as string)
  const entry = { owner, until: expires }
  const write: Write = {
    sessionId,
    expected: null,
    record: await encode(access, data, entry),
    expiry: { at: expires },
    entry,
    previous: null,
  }
  await compareAndSet(access, write, async (current) => {
    if (current === null) return write
    const previous = await decode(access, sessionId, current)
    if (previous.owner !== owner && !hasEnded(access, previous)) throw new SessionUserError(sessionId, owner)
    return { ...write, expected: current, previous: entryOf(previous) }
  })
  return sessionId
}

/**
 * Reads a session. Resolves to `null` if it does not exist. In the data, `expires` is when the session ends, and so is
 * the cookie's `expires` if it has one. `userId` is its owner, unless the app uses that name for something else.
 *
 * @throws {TypeError} if an argument is wrong.
 * @throws {CorruptSessionError} if the value in Redis is not session data.
 */
export async function readSession<T extends object = Record<string, unknown>>(
  options: OneSessionOptions & { sessionId: string },
): Promise<(UserSessionData & T) | null> {
  const access = accessOf(options, ['sessionId', 'userId'])
  const sessionId = access.keys.checkId(options.sessionId)
  const session = await readLive(access, sessionId)
  if (session === null) return null
  return withTrueExpiry(withUserId(session.data, session.owner), session.expires) as UserSessionData & T
}

/**
 * Merges `data` into a session by top-level property. Changes by requests in flight are kept. A new `expires` moves the
 * TTL. Without one the TTL stays.
 *
 * @throws {TypeError} if an argument is wrong. Nothing is written.
 * @throws {SessionNotFoundError} if the session does not exist.
 * @throws {SessionUserError} if `data.userId` names another user. Nothing is written.
 */
export async function updateSession<T extends object>(
  options: OneSessionOptions & { sessionId: string; data: T & Partial<UserSessionData> },
): Promise<void> {
  const access = accessOf(options, ['sessionId', 'data', 'userId'])
  const sessionId = access.keys.checkId(options.sessionId)
  const patch = await checkPatch(access, options.data)
  if (!(await updateSessionRecord(access, sessionId, patch))) throw new SessionNotFoundError(sessionId)
}

/**
 * Deletes a session. Nothing happens if it does not exist. After this has resolved, no request or update that loaded
 * the session before can bring it back.
 *
 * @throws {TypeError} if an argument is wrong.
 * @throws {NotReplicatedError} if too few replicas have it in time, with `waitForReplicas`. The session is deleted.
 */
export async function deleteSession(
  options: RevokingOptions & OneSessionOptions & { sessionId: string },
): Promise<void> {
  const access = accessOf(options, ['sessionId', 'userId', 'waitForReplicas'])
  const sessionId = access.keys.checkId(options.sessionId)
  const revoke = (access: Access) => revokeSession(access, sessionId)
  await replicated(access, checkWaitForReplicas(options.waitForReplicas), revoke, () => undefined)
}

/**
 * Lists the live sessions of a user, soonest to expire first. Corrupt records are left out.
 *
 * @throws {TypeError} if an argument is wrong.
 */
export async function getUserSessions<T extends object = Record<string, unknown>>(
  options: FunctionOptions & { userId: UserId },
): Promise<{ sessionId: string; data: UserSessionData & T }[]> {
  const access = accessOf(options, ['userId'])
  const userId = checkUserId(options.userId)
  const sessions = await listUser(access, userId)
  return sessions
    .sort((a, b) => a.expires - b.expires)
    .map(({ sessionId, session, expires }) => ({
      sessionId,
      data: { ...withTrueExpiry(session.data, expires), userId } as UserSessionData & T,
    }))
}

/**
 * Merges `data` into every session of a user, as `updateSession` does. A user without sessions is not an error. Each
 * session is updated atomically, but not all of them together. The call can be repeated safely.
 *
 * @throws {TypeError} if an argument is wrong. Nothing is written.
 * @throws {SessionUserError} if `data.userId` names another user. Nothing is written.
 */
export async function updateUserSessions<T extends object>(
  options: FunctionOptions & { userId: UserId; data: T & Partial<UserSessionData> },
): Promise<void> {
  const access = accessOf(options, ['userId', 'data'])
  const userId = checkUserId(options.userId)
  const patch = await checkPatch(access, options.data)
  if (patch.userId !== undefined && patch.userId !== userId) throw new SessionUserError(null, patch.userId)
  await updateUserRecords(access, userId, patch)
}

/**
 * Deletes every session of a user, as `deleteSession` does. A user without sessions is not an error. A session that is
 * created at the same time may be deleted or not.
 *
 * @throws {TypeError} if an argument is wrong.
 * @throws {NotReplicatedError} if too few replicas have it in time, with `waitForReplicas`. The sessions are deleted.
 */
export async function deleteUserSessions(options: RevokingOptions & { userId: UserId }): Promise<void> {
  const access = accessOf(options, ['userId', 'waitForReplicas'])
  const userId = checkUserId(options.userId)
  const revoke = (access: Access) => revokeUser(access, userId)
  await replicated(access, checkWaitForReplicas(options.waitForReplicas), revoke, () => undefined)
}

/** Returns the access of a function. Its options may have these names, and the names that all functions accept. */
export function accessOf(options: FunctionOptions, names: string[]): Access {
  checkNames(options, ['client', 'prefix', 'userPrefix', ...names], 'options')
  const client = sessionClient(options.client)
  const { prefix = defaultPrefix } = options
  if (typeof prefix !== 'string') throw badArgument('prefix', 'a string', prefix)
  const { userPrefix = defaultUserPrefix(prefix) } = options
  if (typeof userPrefix !== 'string') throw badArgument('userPrefix', 'a string', userPrefix)
  const userId = names.includes('sessionId') ? userIdOption(options) : undefined
  return accessOn({
    client,
    keys: new Keys(prefix, userPrefix),
    serializer: JSON,
    userId: userId ?? (defaultUserId as UserIdOption),
    guessesUsers: userId === undefined,
    ttl: defaultTtl,
    scanCount: defaultScanCount,
    absoluteTtl: null,
    disableTouch: false,
  })
}

/** In functions of one session, `userId` is the store's option. In the other functions it is the user's id. */
function userIdOption({ userId }: OneSessionOptions): UserIdOption | undefined {
  if (userId === undefined || typeof userId === 'function') return userId
  throw badArgument('userId', 'a function of the session', userId)
}

/** Returns the owner of a new session: by the option `userId`, else by `data.userId`. */
function ownerOf({ userId }: OneSessionOptions, data: SessionRecord): string {
  if (userId === undefined) return checkDataUserId(data.userId)
  const owner = namedUser(userId, data)
  if (owner === null) throw badArgument('userId(data)', 'a user id', owner)
  return owner
}

function checkDataUserId(value: unknown): string {
  if (typeof value !== 'string') throw badArgument('data.userId', 'a non-empty string', value)
  return checkUserId(value, 'data.userId')
}

/** Returns the properties to merge. Checks `userId` and `expires` if they are given. */
async function checkPatch(access: Access, data: unknown): Promise<SessionRecord> {
  const patch = plainData(data, 'data')
  if (patch.userId === undefined) delete patch.userId
  else checkDataUserId(patch.userId)
  await checkChanges(access, patch)
  return patch
}

/** Sets `userId` to the owner as a string, unless the app uses that name for something else. */
function withUserId(data: SessionRecord, owner: string | null): SessionRecord {
  const isFree = !data.userId || userIdOf(data.userId) === owner
  return owner === null || data.userId === owner || !isFree ? data : { ...data, userId: owner }
}

/**
 * Sets `expires`, and the cookie's expiry if it has one, to when the session ends. A timestamp of the same instant stays
 * as it was written.
 */
function withTrueExpiry(data: SessionRecord, expires: number | null): SessionRecord {
  if (expires === null) return data
  const written = cookieExpiry(data)
  const moved = written === null || written === expires ? data : withCookieExpiry(data, expires)
  return dataExpiry(data.expires) === expires ? moved : { ...moved, expires: isoTime(expires) }
}
