/**
 * Adapts a store to `@fastify/session`. That library makes its own session object from the result of `get`, and passes
 * it to `set`. A hidden property of the object carries the data it was loaded from.
 */
import type { SessionData } from 'express-session'
import type { UserSessionStore } from '../api/user-session-store.ts'
import { Attached } from '../requests/attached.ts'
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

/**
 * `@fastify/session` copies all properties of a loaded session, including this one. It holds a function, which no
 * serializer writes and which proxies of a session leave as it is.
 */
const carrier = 'redis-user-sessions'

/**
 * Of the function that a loaded session carries, and of session objects that were saved. A new one has no `carrier`, and
 * a sealed one cannot get it.
 */
const attached = new Attached<Stored>()

function carrierOf(stored: Stored): () => void {
  const carrying = () => {}
  attached.set(carrying, stored)
  return carrying
}

/** The library may have copied a session object into one with another id. */
function storedOf(session: SessionRecord, sessionId: string): Stored | undefined {
  const stored = attached.get(session) ?? attached.get(Object(session[carrier]))
  return stored?.sessionId === sessionId ? stored : undefined
}

/**
 * Properties that a session object of `@fastify/session` cannot hold, because it has its own properties with these
 * names.
 */
const unheld = ['sessionId', 'encryptedSessionId', '__proto__']

function sessionOf(stored: Stored): SessionRecord {
  const { data } = stored
  const held = Object.entries(data).filter(([name]) => !unheld.includes(name))
  return { ...Object.fromEntries(held), cookie: data.cookie, [carrier]: carrierOf(stored) }
}

/**
 * Returns the data object that the session was loaded from or last saved as. It gets the current content of the
 * session.
 */
function dataOf(sessionId: string, session: SessionRecord): SessionData {
  const stored = storedOf(session, sessionId) ?? newStored(sessionId)
  attached.set(session, stored)
  const { cookie: _, [carrier]: __, ...fields } = Object.fromEntries(Object.entries(session))
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
