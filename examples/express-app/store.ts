/** The session store of this app, and the keys that the app has beside it. */
import type { createClient } from 'redis'
import { UserSessionStore } from 'redis-user-sessions'

export type Redis = ReturnType<typeof createClient>

const DAY_SECONDS = 24 * 60 * 60

/** On how many devices a user can be signed in. One more signs out the one that was not used for longest. */
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
