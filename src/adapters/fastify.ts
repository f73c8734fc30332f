/**
 * Adapts a store to `@fastify/session`. That library makes its own session object from the result of `get`, and passes
 * it to `set`. A hidden property of the object carries the data it was loaded from.
 */
import type { SessionData } from 'express-session'
import type { UserSessionStore } from '../api/user-session-store.ts'
import { cookieData } from '../session/cookie.ts'
import type { SessionRecord } from '../session/record.ts'
import { checkStore, newStored, refill, type Stored } from './stored.ts'

/** The store that `@fastify/session` accepts. */
export interface FastifySessionStore {
  get<Session>(
    sessionId: string,
    callback: (error: unknown, session?: Session | null | undefined) => void,
  ): void
  set(sessionId: string, session: object, callback: (error?: unknown) => void): void
  destroy(sessionId: string, callback: (error?: unknown) => void): void
}

/**
 * Makes a store usable for `@fastify/session`: `fastify.register(fastifySession, { store: fastifySessionStore(store),
 * secret })`. All guarantees of the store hold. Without this adapter, a request in flight brings a revoked session
 * back.
 *
 * With the option `rolling` of `@fastify/session`, which is its default, every response saves the session: one command
 * on one key. A session that the functions made without a cookie keeps its own `expires`, whatever `cookie` says.
 *
 * @throws {TypeError} if `store` is not a `UserSessionStore`.
 */
export function fastifySessionStore(store: UserSessionStore): FastifySessionStore {
  checkStore(store)
  return {
    get<Session>(sessionId: string, callback: (error: unknown, session?: Session | null) => void) {
      store.get(sessionId, (error, data) => {
        callback(error, data && (sessionOf({ sessionId, data }) as Session))
      })
    },
    set(sessionId, session, callback) {
      store.set(sessionId, dataOf(sessionId, session as SessionRecord), (error) => callback(error))
    },
    destroy(sessionId, callback) {
      store.destroy(sessionId, (error) => callback(error))
    },
  }
}

/** `@fastify/session` copies all properties of a loaded session, including this one. No serializer writes it. */
const carrier = 'redis-user-sessions'

class Carried {
  readonly #stored: Stored

  constructor(stored: Stored) {
    this.#stored = stored
  }

  /** The library may have copied a session object into one with another id. */
  static storedOf(value: unknown, sessionId: string): Stored | undefined {
    if (!(value instanceof Carried)) return undefined
    return value.#stored.sessionId === sessionId ? value.#stored : undefined
  }

  toJSON(): undefined {}
}

/**
 * Properties that a session object of `@fastify/session` cannot hold, because it has its own properties with these
 * names.
 */
const unheld = ['sessionId', 'encryptedSessionId', '__proto__']

function sessionOf(stored: Stored): SessionRecord {
  const { data } = stored
  const held = Object.entries(data).filter(([name]) => !unheld.includes(name))
  return { ...Object.fromEntries(held), cookie: data.cookie, [carrier]: new Carried(stored) }
}

/**
 * Returns the data object that the session was loaded from or last saved as. It gets the current content of the
 * session.
 */
function dataOf(sessionId: string, session: SessionRecord): SessionData {
  const stored = Carried.storedOf(session[carrier], sessionId) ?? newStored(sessionId)
  // From here on, the property is not enumerable.
  const value = new Carried(stored)
  Object.defineProperty(session, carrier, { value, enumerable: false, configurable: true, writable: true })
  const { cookie: _, ...fields } = Object.fromEntries(Object.entries(session))
  refill(stored.data, hasOwnCookie(stored) ? { ...fields, cookie: cookieOf(session) } : fields, unheld)
  return stored.data
}

/** A session of the functions has no cookie. The store adds one to the loaded data, and hides it from serializers. */
function hasOwnCookie({ data }: Stored): boolean {
  return Object.getOwnPropertyDescriptor(data, 'cookie')?.enumerable !== false
}

/** Leaves out the property that holds the expiry before this request. */
function cookieOf(session: SessionRecord): SessionRecord | undefined {
  const { originalExpires: _, ...cookie } = cookieData(session) ?? {}
  return cookie
}
