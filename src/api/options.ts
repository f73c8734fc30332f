import type { SessionData } from 'express-session'
import { hasMethods, type SessionClient, type SubscriberClient } from '../redis/clients/client.ts'
import {
  type SupportedClient,
  type SupportedSubscriber,
  sessionClient,
  subscriberClient,
} from '../redis/clients/supported.ts'
import { defaultPrefix, defaultUserPrefix } from '../redis/keys.ts'
import { checkNames, type UserId } from '../session/arguments.ts'
import type { Serializer } from '../session/codec.ts'
import { badArgument } from '../session/errors.ts'
import { defaultUserId, type UserIdOption } from '../session/owner.ts'
import type { WaitForReplicas } from '../users/replication.ts'

export const defaultTtl = 86400
export const defaultScanCount = 1000

export interface UserSessionStoreOptions {
  /**
   * A connected client: node-redis (client, pool, Sentinel or Cluster), ioredis or iovalkey (client or Cluster), or
   * your own adapter. A client is refused if it caches reads, reads from replicas or has a `keyPrefix`.
   */
  client: SupportedClient
  /** The beginning of session keys. Default `'session:'`. connect-redis uses `'sess:'`. */
  prefix?: string | undefined
  /** The beginning of user index keys. Default `'user:'` with the default prefix, else `'user:<prefix>'`. */
  userPrefix?: string | undefined
  /**
   * Returns the owner of a session. `''`, `false`, `null` and `undefined` mean that it is anonymous. Default:
   * `session.userId`, else Passport's `session.passport.user`.
   */
  userId?: ((session: SessionData) => UserId | false | null | undefined) | undefined
  /**
   * The lifetime in seconds, if neither the cookie nor `session.expires` sets an expiry. Default 86400, one day. If
   * it is lowered by a tenth or more, a user's sessions get it at their next touch. Anonymous sessions get it at their
   * next save.
   */
  ttl?: number | ((session: SessionData) => number) | undefined
  /**
   * If true, a use of the session does not move its expiry; only a change does. A load also reads the TTL then, because
   * another store may have moved it. Default `false`.
   */
  disableTouch?: boolean | undefined
  /**
   * Reads and writes records: an object, a function or a class with the methods `parse` and `stringify`. Either method
   * may be async. `stringify` gets plain data, and the cookie's `expires` as ISO text. Default `JSON`.
   */
  serializer?: Serializer | undefined
  /** How many keys one SCAN step checks, in `all`, `sessions` and the like. Default 1000, at least 1. */
  scanCount?: number | undefined
  /**
   * `destroy`, `destroyUser` and `destroyUserSession` wait until replicas have the revocation. They reject with
   * `NotReplicatedError` if too few replicas have it in time. Default: they wait only for the master.
   */
  waitForReplicas?: WaitForReplicas | undefined
  /**
   * In seconds, and at most half of the cookie's `maxAge`. A touch is skipped if it would move the expiry by less than
   * this. So a page with twenty requests costs one write. The session may end up to this much earlier, and `lastActive`
   * may be up to this much behind. Default 1 % of the session's lifetime, at most 60. With 0 each touch is written.
   */
  touchInterval?: number | undefined
  /**
   * How many sessions a user may have. Default: no limit. With a number or a function, a sign-in beyond the limit signs
   * out the sessions that expire soonest. It never signs out the new session.
   */
  maxUserSessions?: SessionLimit | MaxUserSessions | undefined
  /** In seconds. No session lives longer than this after its creation, even if it stays active. Default: no limit. */
  absoluteTtl?: number | undefined
  /**
   * A second connected client of the same Redis, which hears of revocations in other processes. Default: the store
   * knows only its own.
   */
  subscriber?: SupportedSubscriber | undefined
}

/** How many sessions a user may have, at least 1. A number, or a function of the session that signs in. */
export type SessionLimit = number | ((session: SessionData) => number)

export interface MaxUserSessions {
  limit: SessionLimit
  /**
   * What happens at a sign-in beyond the limit. `'evict'`, the default, signs out the sessions that expire soonest.
   * `'reject'` refuses the sign-in.
   */
  onLimit?: 'evict' | 'reject' | undefined
}

/** The options with their defaults. */
export interface CheckedOptions {
  client: SessionClient
  prefix: string
  userPrefix: string
  userId: UserIdOption
  ttl: number | ((session: SessionData) => number)
  disableTouch: boolean
  serializer: Serializer
  scanCount: number
  waitForReplicas: WaitForReplicas | undefined
  /** In seconds; `undefined` for 1 % of the session's lifetime, at most 60. */
  touchInterval: number | undefined
  maxUserSessions: Required<MaxUserSessions> | undefined
  absoluteTtl: number | undefined
  subscriber: SubscriberClient | undefined
}

/** Returns the options with their defaults. Throws a `TypeError` for a wrong or unknown option. */
export function checkOptions(given: unknown): CheckedOptions {
  if (Object(given).client === undefined && hasMethods(Object(given), ['get', 'set', 'scan']))
    throw badArgument('options', 'an object, such as { client }', given)
  const options = definedOnly(checkNames(given, names, 'options'))
  const client = sessionClient(options.client)
  const checked: Record<string, unknown> = { ...defaults, ...options, client }
  for (const [name, [isValid, expected]] of Object.entries(rules)) {
    if (!isValid(checked[name])) throw badArgument(name, expected, checked[name])
  }
  checkWaitForReplicas(options.waitForReplicas)
  if (options.subscriber === options.client)
    throw new TypeError('subscriber must be a second client, got the same as client')
  const { prefix, userPrefix = defaultUserPrefix(prefix as string), subscriber } = checked
  return {
    ...(checked as unknown as CheckedOptions),
    userPrefix: userPrefix as string,
    maxUserSessions: checkMaxUserSessions(options.maxUserSessions),
    subscriber: subscriber === undefined ? undefined : subscriberClient(subscriber),
  }
}

const defaults = {
  prefix: defaultPrefix,
  userId: defaultUserId as UserIdOption,
  ttl: defaultTtl,
  disableTouch: false,
  serializer: JSON,
  scanCount: defaultScanCount,
}

/** These have checks of their own. */
type Others = 'client' | 'waitForReplicas' | 'maxUserSessions' | 'subscriber'

type Rule = [isValid: (value: unknown) => boolean, expected: string]

const rules: Record<Exclude<keyof UserSessionStoreOptions, Others>, Rule> = {
  prefix: [isString, 'a string'],
  userPrefix: [optional(isString), 'a string'],
  userId: [isFunction, 'a function of the session'],
  ttl: [(value) => isFunction(value) || isPositive(value), 'a positive number of seconds or a function'],
  disableTouch: [(value) => typeof value === 'boolean', 'true or false'],
  serializer: [isSerializer, 'an object, a function or a class with the methods parse and stringify'],
  scanCount: [isCount, 'a positive integer'],
  touchInterval: [optional((value) => value === 0 || isPositive(value)), 'a number of seconds, at least 0'],
  absoluteTtl: [optional(isPositive), 'a positive number of seconds'],
}

const names = ['client', ...Object.keys(rules), 'waitForReplicas', 'maxUserSessions', 'subscriber']

/** Returns the option `waitForReplicas`. Throws a `TypeError` for a wrong or unknown property. */
export function checkWaitForReplicas(value: unknown): WaitForReplicas | undefined {
  if (value === undefined) return undefined
  const { count, timeout } = checkNames(value, ['count', 'timeout'], 'waitForReplicas')
  if (isCount(count) && isCount(timeout)) return { count, timeout }
  throw badArgument('waitForReplicas', '{ count, timeout } with positive integers', value)
}

function checkMaxUserSessions(value: unknown): Required<MaxUserSessions> | undefined {
  if (value === undefined) return undefined
  if (isLimit(value)) return { limit: value, onLimit: 'evict' }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw badArgument('maxUserSessions', `${limitRule} or { limit, onLimit }`, value)
  }
  const { limit, onLimit = 'evict' } = checkNames(value, ['limit', 'onLimit'], 'maxUserSessions')
  if (!isLimit(limit)) throw badArgument('maxUserSessions.limit', limitRule, limit)
  if (onLimit === 'evict' || onLimit === 'reject') return { limit, onLimit }
  throw badArgument('maxUserSessions.onLimit', "'evict' or 'reject'", onLimit)
}

const limitRule = 'a positive integer, a function of the session'

function isLimit(value: unknown): value is SessionLimit {
  return isFunction(value) || isCount(value)
}

function optional(isValid: (value: unknown) => boolean): (value: unknown) => boolean {
  return (value) => value === undefined || isValid(value)
}

export function isCount(value: unknown): value is number {
  return Number.isInteger(value) && isPositive(value)
}

/** Also reads what the options inherit, such as the getters of a class. */
function definedOnly(options: Record<string, unknown>): Record<string, unknown> {
  const values = names.map((name) => [name, options[name]])
  return Object.fromEntries(values.filter(([, value]) => value !== undefined))
}

function isString(value: unknown): value is string {
  return typeof value === 'string'
}

function isFunction(value: unknown): value is (...args: never[]) => never {
  return typeof value === 'function'
}

function isPositive(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value) && value > 0
}

function isSerializer(value: unknown): boolean {
  const { parse, stringify } = Object(value) as Partial<Serializer>
  return Object(value) === value && isFunction(parse) && isFunction(stringify)
}
