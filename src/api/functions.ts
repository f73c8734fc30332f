import type { Access } from '../redis/access.ts'
import { readStored } from '../redis/access.ts'
import { type SupportedClient, sessionClient } from '../redis/clients/session-client.ts'
import { compareAndSet } from '../redis/compare-and-set.ts'
import { defaultPrefix, defaultUserPrefix, Keys } from '../redis/keys.ts'
import type { SessionRecord } from '../redis/records.ts'
import { recordsOn } from '../redis/records-on.ts'
import { checkNames, checkSessionId, checkUserId, plainData, type UserId } from '../session/arguments.ts'
import { parseRecord, stringifyRecord } from '../session/codec.ts'
import { badArgument, SessionNotFoundError, SessionUserError } from '../session/errors.ts'
import { checkTimestamp } from '../session/expiry.ts'
import { recordedOwner, type UserIdOption } from '../session/owner.ts'
import { newSessionId } from '../session/session-id.ts'
import { findOwner } from '../users/find-owner.ts'
import { listUser } from '../users/list.ts'
import { replicated, type WaitForReplicas } from '../users/replication.ts'
import { revokeSession, revokeUser } from '../users/revoke.ts'
import {
  type Change,
  moveCookie,
  patchWith,
  updateSessionRecord,
  updateUserRecords,
} from '../users/update.ts'
import { checkWaitForReplicas, defaultScanCount, defaultTtl } from './options.ts'

/** What every function takes. */
export interface FunctionOptions {
  /**
   * A connected client: of node-redis (client, pool, Sentinel or Cluster), of ioredis or iovalkey (client or Cluster), or an adapter
   * of your own. A client that caches reads, reads from replicas or has a `keyPrefix` is refused.
   */
  client: SupportedClient
  /** What session keys begin with. Default `'session:'`. */
  prefix?: string | undefined
  /** What user index keys begin with. Default `'user:'` with the default prefix, else `'user:<prefix>'`. */
  userPrefix?: string | undefined
}

/** What the functions that work on one session take. */
export interface OneSessionOptions extends FunctionOptions {
  /** The store's option of that name: whose a session is. Default: `userId` in its data, else Passport's user. */
  userId?: UserIdOption | undefined
}

/** What the revoking functions take. */
export interface RevokingOptions extends FunctionOptions {
  /**
   * Wait until replicas have the revocation, and reject with `NotReplicatedError` if too few have it in time. Default: wait for
   * the master only.
   */
  waitForReplicas?: WaitForReplicas | undefined
}

/** Session data as the functions take it: `userId`, `expires`, and whatever else JSON can hold. */
export interface UserSessionData {
  /** Whose session it is; not empty. It never changes. */
  userId: string
  /** When the session ends: an ISO 8601 timestamp. */
  expires: string
}

/**
 * Creates a session, or replaces one of the same user, and lists it in the user's index. A session that is already expired
 * leaves nothing behind, and that is no error.
 *
 * @param options.sessionId Default: 24 random bytes, base64url.
 * @returns The session id.
 * @throws {TypeError} for a wrong argument, before anything is written.
 * @throws {SessionUserError} where the id is that of another user's session; nothing is changed.
 */
export async function createSession<T extends UserSessionData>(
  options: OneSessionOptions & { sessionId?: string | undefined; data: T },
): Promise<string> {
  const access = accessOf(options, ['sessionId', 'data', 'userId'])
  const sessionId = options.sessionId === undefined ? newSessionId() : sessionIdOf(access, options.sessionId)
  const data = plainData(options.data, 'data')
  const userId = checkDataUserId(data.userId)
  const expires = checkTimestamp(data.expires, 'data.expires')
  const record = await stringifyRecord(access.serializer, moveCookie(data, data.expires as string))
  const write = {
    sessionId,
    expected: null,
    record,
    expires,
    keepTtl: false,
    owner: userId,
    previousOwner: null,
  }
  await compareAndSet(access, write, async (current) => {
    if (current !== null) await refuseOtherUser(access, sessionId, current, userId)
    return { ...write, expected: current }
  })
  return sessionId
}

/**
 * Reads a session; `null` where it does not exist. `expires` is when Redis will delete it.
 *
 * @throws {CorruptSessionError} where what Redis holds is not session data.
 */
export async function readSession<T extends object = Record<string, unknown>>(
  options: OneSessionOptions & { sessionId: string },
): Promise<(UserSessionData & T) | null> {
  const access = accessOf(options, ['sessionId', 'userId'])
  const sessionId = sessionIdOf(access, options.sessionId)
  const stored = await readStored(access, sessionId)
  if (stored === null) return null
  const data = await parseRecord(access.serializer, stored.raw, access.keys.session(sessionId))
  return withTrueExpiry(data, stored.expires) as UserSessionData & T
}

/**
 * Merges `data` into a session by top-level property; what requests in flight change is kept. The TTL stays, unless `data`
 * has a new `expires`.
 *
 * @throws {TypeError} for a wrong argument, before anything is written.
 * @throws {SessionNotFoundError} where the session does not exist.
 * @throws {SessionUserError} where `data.userId` names another user; nothing is changed.
 */
export async function updateSession<T extends object>(
  options: OneSessionOptions & { sessionId: string; data: T & Partial<UserSessionData> },
): Promise<void> {
  const access = accessOf(options, ['sessionId', 'data', 'userId'])
  const sessionId = sessionIdOf(access, options.sessionId)
  const change = await checkPatch(access, options.data)
  if (!(await updateSessionRecord(access, sessionId, change))) throw new SessionNotFoundError(sessionId)
}

/**
 * Deletes a session; nothing happens where it does not exist. Once this has resolved, no request or update that had
 * loaded the session can bring it back.
 */
export async function deleteSession(
  options: RevokingOptions & OneSessionOptions & { sessionId: string },
): Promise<void> {
  const access = accessOf(options, ['sessionId', 'userId', 'waitForReplicas'])
  const sessionId = sessionIdOf(access, options.sessionId)
  const revoke = (access: Access) => revokeSession(access, sessionId)
  await replicated(access, checkWaitForReplicas(options.waitForReplicas), revoke, () => undefined)
}

/** The live sessions of a user, soonest to expire first. Records that cannot be read are left out. */
export async function getUserSessions<T extends object = Record<string, unknown>>(
  options: FunctionOptions & { userId: UserId },
): Promise<{ sessionId: string; data: UserSessionData & T }[]> {
  const access = accessOf(options, ['userId'])
  const userId = checkUserId(options.userId)
  const sessions = await listUser(access, userId)
  return sessions
    .sort((a, b) => a.expires - b.expires)
    .map(({ sessionId, data, expires }) => ({
      sessionId,
      data: { ...withTrueExpiry(data, expires), userId } as UserSessionData & T,
    }))
}

/**
 * Merges `data` into every session of a user, as `updateSession` does. Each session is updated atomically, all of them
 * together are not; it is safe to repeat.
 *
 * @throws {TypeError} for a wrong argument, before anything is written.
 * @throws {SessionUserError} where `data.userId` names another user; nothing is changed.
 */
export async function updateUserSessions<T extends object>(
  options: FunctionOptions & { userId: UserId; data: T & Partial<UserSessionData> },
): Promise<void> {
  const access = accessOf(options, ['userId', 'data'])
  const userId = checkUserId(options.userId)
  const change = await checkPatch(access, options.data)
  const { userId: named } = options.data
  if (named !== undefined && named !== userId) throw new SessionUserError(null, named)
  await updateUserRecords(access, userId, change)
}

/** Deletes every session of a user, as `deleteSession` does. */
export async function deleteUserSessions(options: RevokingOptions & { userId: UserId }): Promise<void> {
  const access = accessOf(options, ['userId', 'waitForReplicas'])
  const userId = checkUserId(options.userId)
  const revoke = (access: Access) => revokeUser(access, userId)
  await replicated(access, checkWaitForReplicas(options.waitForReplicas), revoke, () => undefined)
}

/** Where the function works. Its options may have these names and those that every function takes. */
function accessOf(options: FunctionOptions, names: string[]): Access {
  checkNames(options, ['client', 'prefix', 'userPrefix', ...names], 'options')
  const client = sessionClient(options.client)
  const { prefix = defaultPrefix } = options
  if (typeof prefix !== 'string') throw badArgument('prefix', 'a string', prefix)
  const { userPrefix = defaultUserPrefix(prefix) } = options
  if (typeof userPrefix !== 'string') throw badArgument('userPrefix', 'a string', userPrefix)
  if (names.includes('sessionId')) checkUserIdOption(options)
  const keys = new Keys(prefix, userPrefix)
  return {
    client,
    keys,
    records: recordsOn(client, keys),
    serializer: JSON,
    ttl: defaultTtl,
    scanCount: defaultScanCount,
    absoluteTtl: null,
    ownerOf: recordedOwner,
  }
}

function checkUserIdOption({ userId }: OneSessionOptions): void {
  if (userId === undefined || typeof userId === 'function') return
  throw badArgument('userId', 'a function of the session', userId)
}

function sessionIdOf(access: Access, value: unknown): string {
  const sessionId = checkSessionId(value)
  access.keys.session(sessionId)
  return sessionId
}

function checkDataUserId(value: unknown): string {
  if (typeof value !== 'string') throw badArgument('data.userId', 'a non-empty string', value)
  return checkUserId(value, 'data.userId')
}

/** The properties to merge; `userId` and `expires` are checked where they are given. */
async function checkPatch(access: Access, data: unknown): Promise<Change> {
  const { userId, expires, ...rest } = plainData(data, 'data')
  const patch: SessionRecord = { ...rest }
  if (userId !== undefined) patch.userId = checkDataUserId(userId)
  if (expires !== undefined) {
    checkTimestamp(expires, 'data.expires')
    patch.expires = expires
  }
  await stringifyRecord(access.serializer, patch)
  return patchWith(patch)
}

async function refuseOtherUser(
  access: Access,
  sessionId: string,
  current: string,
  userId: string,
): Promise<void> {
  const data = await parseRecord(access.serializer, current, access.keys.session(sessionId))
  const owner = recordedOwner(data) ?? (await findOwner(access, sessionId, data))
  if (owner !== userId) throw new SessionUserError(sessionId, userId)
}

/** A timestamp of the same instant stays as it was written. */
function withTrueExpiry(data: SessionRecord, expires: number | null): SessionRecord {
  if (expires === null || Date.parse(data.expires as string) === expires) return data
  return { ...data, expires: new Date(expires).toISOString() }
}
