/**
 * Shared by the adapters. They keep the data object that a store gave, and pass the same object back with the session's
 * new content.
 */
import type { SessionData } from 'express-session'
import type { UserSessionStore } from '../api/user-session-store.ts'
import { badArgument } from '../session/errors.ts'
import type { SessionRecord } from '../session/record.ts'

/**
 * Session data that the store has loaded or will create. A save of the same object updates exactly the record it was
 * loaded from.
 */
export interface Stored {
  sessionId: string
  data: SessionData
}

export function newStored(sessionId: string): Stored {
  return { sessionId, data: {} as SessionData }
}

/** Replaces all properties of the data, except those in `kept`. */
export function refill(data: object, fields: SessionRecord, kept: readonly string[] = []): void {
  for (const name of Object.keys(data)) {
    if (!kept.includes(name)) Reflect.deleteProperty(data, name)
  }
  Object.assign(data, fields)
}

/** Accepts a store of the package's other build too. */
export function checkStore(store: unknown): UserSessionStore {
  const { get, set, destroy, userSessions } = Object(store) as Partial<UserSessionStore>
  if ([get, set, destroy, userSessions].every((method) => typeof method === 'function')) {
    return store as UserSessionStore
  }
  throw badArgument('store', 'a UserSessionStore', store)
}
