import type { SessionData } from 'express-session'
import { clientRule, isClient, type SessionClient } from '../redis/clients/client.ts'
import { checkObject } from '../session/arguments.ts'
import type { Serializer } from '../session/codec.ts'
import { badArgument } from '../session/errors.ts'
import { defaultUserId, type UserIdOption } from '../session/owner.ts'
import { isWaitForReplicas, type WaitForReplicas } from '../users/replication.ts'
import type { SubscriberClient } from '../users/subscription.ts'

export const defaultPrefix = 'session:'
export const defaultUserPrefix = 'user:'
export const defaultTtl = 86400
export const defaultScanCount = 1000

export interface UserSessionStoreOptions {
  /** A connected node-redis client, pool, Sentinel or Cluster. */
  client: SessionClient
  /** What session keys begin with. Default `'session:'`; connect-redis uses `'sess:'`. */
  prefix?: string
  /** What user index keys begin with. Default `'user:'`. */
  userPrefix?: string
  /**
   * Whose a session is; `null` or `undefined` for nobody's. Default: `session.userId`, else Passport's
   * `session.passport.user` where that is a string or a number.
   */
  userId?: (session: SessionData) => string | number | null | undefined
  /** Lifetime in seconds where neither the cookie nor `session.expires` says. Default 86400, one day. */
  ttl?: number | ((session: SessionData) => number)
  /** Leave the expiry as it is when a session is used but not changed. Default `false`. */
  disableTouch?: boolean
  /** How sessions are written; either method may be async. Default `JSON`. */
  serializer?: Serializer
  /** How many keys one SCAN step looks at, in `all`, `sessions` and the like. Default 1000, at least 1. */
  scanCount?: number
  /**
   * Lets `destroy`, `destroyUser` and `destroyUserSession` wait until replicas have the revocation, and reject with
   * `NotReplicatedError` where too few have it in time. Default: they wait for the master only.
   */
  waitForReplicas?: WaitForReplicas
  /**
   * In seconds, and at most half of the cookie's `maxAge`. A touch that would move the expiry by less than this since the last one is
   * skipped, so that a page with twenty requests costs one write; the session then ends, and `lastActive` stays behind, by up to this
   * much. Default 0: each touch is written.
   */
  touchInterval?: number
  /**
   * How many sessions a user may have, at least 1: a number, or a function of the session that signs in. A sign-in beyond it signs
   * out those of his sessions that expire soonest, but never the new one. Default: as many as he likes.
   */
  maxUserSessions?: SessionLimit | { limit: SessionLimit; onLimit: 'evict' | 'reject' }
  /** In seconds: no session lives longer than this after its creation, however active. Default: as long as it is used. */
  absoluteTtl?: number
  /**
   * A second connected client of the same Redis, which hears of revocations in other processes. Default: the store knows of its own
   * only.
   */
  subscriber?: SubscriberClient
}

/** How many sessions a user may have. */
export type SessionLimit = number | ((session: SessionData) => number)

export function limitOption(option: UserSessionStoreOptions['maxUserSessions']): {
  limit: SessionLimit | undefined
  onLimit: 'evict' | 'reject'
} {
  return typeof option === 'object' ? option : { limit: option, onLimit: 'evict' }
}

export type CheckedOptions = Required<Omit<UserSessionStoreOptions, Optional>> &
  Pick<UserSessionStoreOptions, Optional>

type Optional = 'touchInterval' | 'waitForReplicas' | 'maxUserSessions' | 'absoluteTtl' | 'subscriber'

/** The options with their defaults; a wrong one is a `TypeError`. */
export function checkOptions(given: unknown): CheckedOptions {
  const options = checkObject(given, 'options')
  const checked = { ...defaults, ...definedOnly(options) } as Record<string, unknown>
  for (const [name, [isValid, expected]] of Object.entries(rules)) {
    if (!isValid(checked[name])) throw badArgument(name, expected, checked[name])
  }
  return checked as unknown as CheckedOptions
}

const defaults = {
  prefix: defaultPrefix,
  userPrefix: defaultUserPrefix,
  userId: defaultUserId as UserIdOption,
  ttl: defaultTtl,
  disableTouch: false,
  serializer: JSON,
  scanCount: defaultScanCount,
}

const replicaCount = '{ count, timeout } with positive integers'

const rules: Record<string, [(value: unknown) => boolean, expected: string]> = {
  client: [isClient, clientRule],
  prefix: [(value) => typeof value === 'string', 'a string'],
  userPrefix: [(value) => typeof value === 'string', 'a string'],
  userId: [(value) => typeof value === 'function', 'a function of the session'],
  ttl: [
    (value) => typeof value === 'function' || isPositive(value),
    'a positive number of seconds or a function',
  ],
  disableTouch: [(value) => typeof value === 'boolean', 'true or false'],
  serializer: [isSerializer, 'an object with the methods parse and stringify'],
  scanCount: [isCount, 'a positive integer'],
  waitForReplicas: [optional(isWaitForReplicas), replicaCount],
  touchInterval: [optional((value) => value === 0 || isPositive(value)), 'a number of seconds, at least 0'],
  maxUserSessions: [
    optional((value) => typeof value === 'function' || isCount(value)),
    'a positive integer or a function',
  ],
  absoluteTtl: [optional(isPositive), 'a positive number of seconds'],
  subscriber: [optional(isSubscriber), 'a node-redis client that can subscribe'],
}

function optional(isValid: (value: unknown) => boolean): (value: unknown) => boolean {
  return (value) => value === undefined || isValid(value)
}

export function isCount(value: unknown): value is number {
  return Number.isInteger(value) && isPositive(value)
}

function isSubscriber(value: unknown): boolean {
  const client = Object(value)
  return ['subscribe', 'unsubscribe', 'on'].every((method) => typeof client[method] === 'function')
}

function definedOnly(options: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

function isPositive(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value) && value > 0
}

function isSerializer(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { parse, stringify } = value as Partial<Serializer>
  return typeof parse === 'function' && typeof stringify === 'function'
}
