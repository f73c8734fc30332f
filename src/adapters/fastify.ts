/**
 * Adapts a store to `@fastify/session`, which makes a session object of its own of what `get` gave, and hands that to `set`. What it
 * was loaded from travels along in a property.
 */
import type { SessionData } from 'express-session'
import type { UserSessionStore } from '../api/user-session-store.ts'
import { cookieData } from '../session/cookie.ts'
import type { SessionRecord } from '../session/record.ts'
import { checkStore, newStored, refill, type Stored } from './stored.ts'

/** The store that `@fastify/session` takes. */
export interface FastifySessionStore {
  get<Session>(
    sessionId: string,
    callback: (error: unknown, session?: Session | null | undefined) => void,
  ): void
  set(sessionId: string, session: object, callback: (error?: unknown) => void): void
  destroy(sessionId: string, callback: (error?: unknown) => void): void
}

/**
 * Lets `@fastify/session` use a store: `fastify.register(fastifySession, { store: fastifySessionStore(store), secret })`. All
 * guarantees of the store hold. Without this adapter a request that is under way brings a revoked session back.
 *
 * With the option `rolling` of `@fastify/session`, its default, every response saves the session: one command of one key. A session
 * that the functions made without a cookie keeps its own `expires`, whatever `cookie` says.
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

/** `@fastify/session` copies the properties of what was loaded, this one too. No serializer of sessions writes it. */
const carrier = 'redis-user-sessions'

class Carried {
  readonly #stored: Stored

  constructor(stored: Stored) {
    this.#stored = stored
  }

  /** A session object may have been copied into one of another id. */
  static storedOf(value: unknown, sessionId: string): Stored | undefined {
    if (!(value instanceof Carried)) return undefined
    return value.#stored.sessionId === sessionId ? value.#stored : undefined
  }

  toJSON(): undefined {}
}

/** What a session object of `@fastify/session` cannot hold: it has properties of its own of these names. */
const unheld = ['sessionId', 'encryptedSessionId', '__proto__']

function sessionOf(stored: Stored): SessionRecord {
  const { data } = stored
  const held = Object.entries(data).filter(([name]) => !unheld.includes(name))
  return { ...Object.fromEntries(held), cookie: data.cookie, [carrier]: new Carried(stored) }
}

/** The data that the session object was made from, or was last saved as, with what the session object says now. */
function dataOf(sessionId: string, session: SessionRecord): SessionData {
  const stored = Carried.storedOf(session[carrier], sessionId) ?? newStored(sessionId)
  // From here on nobody sees it.
  const value = new Carried(stored)
  Object.defineProperty(session, carrier, { value, enumerable: false, configurable: true, writable: true })
  const { cookie: _, ...fields } = Object.fromEntries(Object.entries(session))
  refill(stored.data, hasOwnCookie(stored) ? { ...fields, cookie: cookieOf(session) } : fields, unheld)
  return stored.data
}

/** A session that the functions made has no cookie. The store shows one all the same, and hides it from whoever saves it. */
function hasOwnCookie({ data }: Stored): boolean {
  return Object.getOwnPropertyDescriptor(data, 'cookie')?.enumerable !== false
}

/** Without a property that says when the session expired before this request. */
function cookieOf(session: SessionRecord): SessionRecord | undefined {
  const { originalExpires: _, ...cookie } = cookieData(session) ?? {}
  return cookie
}
