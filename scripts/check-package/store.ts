// Compiles every export of the package with the strictest settings.
import session, { type SessionData, type Store } from 'express-session'
import { createClient } from 'redis'
import { SessionLimitError, UserSessionStore, type UserSessionStoreOptions } from 'redis-user-sessions'

declare module 'express-session' {
  interface SessionData {
    userId?: string
  }
}

const absent = undefined as string | undefined
const options: UserSessionStoreOptions = { client: createClient(), prefix: absent, ttl: undefined }
const store: UserSessionStore & Store = new UserSessionStore(options)
session({ store, secret: 'a secret', resave: false, saveUninitialized: false })

export async function use(): Promise<SessionData[]> {
  await store.destroyUser('eva', { except: absent })
  await store.reindex({ signal: undefined })
  return (await store.userSessions('eva')).map(({ data }) => data)
}

export function limitOf(error: unknown): number | undefined {
  return error instanceof SessionLimitError ? error.limit : undefined
}
