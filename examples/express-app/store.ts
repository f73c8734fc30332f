/** The session store of this app, and the app's own keys beside it. */
import { createClient } from 'redis'
import { UserSessionStore } from 'redis-user-sessions'

export type Redis = Awaited<ReturnType<typeof connect>>

/** A Redis that is away costs a request two seconds at most: see docs/production.md of redis-user-sessions. */
export async function connect(url: string) {
  let connected = false
  const client = createClient({
    url,
    disableOfflineQueue: true,
    commandsQueueMaxLength: 1000,
    pingInterval: 1000,
    socket: {
      connectTimeout: 2000,
      socketTimeout: 2000,
      // A Redis that is missing at the start probably has a wrong address. A Redis that goes down later comes
      // back.
      reconnectStrategy: (attempts, cause) => (connected ? Math.min(50 * 2 ** attempts, 1000) : cause),
    },
  })
  client.on('error', (error) => {
    if (connected) console.error(`Redis: ${error.message}`)
  })
  await client.connect()
  connected = true
  return client
}

const DAY_SECONDS = 24 * 60 * 60

/** On how many devices a user can be signed in. One more signs out the one that would expire first. */
export const MAX_DEVICES = 10

/** How long a session lasts at most, however active it is. */
export const LONGEST_SESSION_DAYS = 90

/** Prefixes of the app's own: the Redis may be one that other apps use. */
export const PREFIX = 'example:'

/** `subscriber` is a second connection, on which the store hears of sign-outs in other processes. */
export function createStore(client: Redis, subscriber?: Redis, prefix = PREFIX): UserSessionStore {
  return new UserSessionStore({
    client,
    subscriber,
    prefix: `${prefix}session:`,
    userPrefix: `${prefix}user:`,
    maxUserSessions: MAX_DEVICES,
    absoluteTtl: LONGEST_SESSION_DAYS * DAY_SECONDS,
  })
}
