/** Turns the client that an app passes in into the client that the package uses. */
import { badArgument } from '../../session/errors.ts'
import { hasMethods, type SessionClient, type SubscriberClient } from './client.ts'
import {
  adaptIoredis,
  type IoredisClient,
  type IoredisSubscriber,
  IoredisSubscription,
  ioredisProblem,
  isIoredis,
  isIoredisSubscriber,
} from './ioredis.ts'
import { adaptNodeRedis, isNodeRedis, nodeRedisProblem } from './node-redis.ts'

/**
 * A client that this package accepts:
 *
 * - node-redis 5 or 6: client, pool, Sentinel, Cluster
 * - ioredis or iovalkey: client, Cluster
 * - any object with the methods of `SessionClient`
 */
export type SupportedClient = SessionClient | IoredisClient

/** A second client of these kinds that can subscribe. */
export type SupportedSubscriber = Omit<SubscriberClient, 'off'> | IoredisSubscriber

/** The methods that an object must have to be used as it is. */
const needed = ['get', 'set', 'getDel', 'pExpireAt', 'eval', 'evalSha', 'scan']

const clientRule = 'a connected client of node-redis, ioredis or iovalkey'

const clients = new WeakMap<object, SessionClient>()

/**
 * Returns the client that the package uses for the given one. Throws a `TypeError` if the client would break a
 * guarantee.
 */
export function sessionClient(given: unknown): SessionClient {
  if (typeof given !== 'object' || given === null) throw badArgument('client', clientRule, given)
  const known = clients.get(given)
  if (known) return known
  const client = adapted(given)
  clients.set(given, client)
  return client
}

function adapted(given: object): SessionClient {
  const problem = isIoredis(given) ? ioredisProblem(given) : nodeRedisProblem(given)
  if (problem) throw new TypeError(`client must be ${problem}`)
  if (isNodeRedis(given)) return adaptNodeRedis(given)
  if (isIoredis(given)) return adaptIoredis(given)
  if (!hasMethods(given, needed)) throw badArgument('client', clientRule, given)
  return given as SessionClient
}

const subscribers = new WeakMap<object, SubscriberClient>()

/** Same as `sessionClient`, for a client that subscribes. Stores with the same subscriber share its adapter. */
export function subscriberClient(given: unknown): SubscriberClient {
  const isObject = typeof given === 'object' && given !== null
  if (!isObject || !hasMethods(given, ['subscribe', 'unsubscribe', 'on'])) {
    throw badArgument('subscriber', `${clientRule} that can subscribe`, given)
  }
  if (!isIoredisSubscriber(given)) return given as SubscriberClient
  const known = subscribers.get(given) ?? new IoredisSubscription(given as IoredisSubscriber)
  subscribers.set(given, known)
  return known
}
