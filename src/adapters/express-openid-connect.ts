/**
 * Adapts a store to `express-openid-connect`, which represents a session as `{ header, data, cookie }`. The store gets
 * one flat record, so that overlapping requests merge by property of `data`. The library passes the object `data` of
 * `get` back to `set`.
 */
import type { SessionData } from 'express-session'
import type { UserSessionStore } from '../api/user-session-store.ts'
import type { SessionRecord } from '../session/record.ts'
import { checkStore, newStored, refill, type Stored } from './stored.ts'

/** The store that `express-openid-connect` accepts, for sessions and for back-channel logouts. */
export type OpenidConnectStore = {
  get<Payload>(
    sessionId: string,
    callback: (error: unknown, payload?: Payload | null | undefined) => void,
  ): void
  set(sessionId: string, payload: object, callback?: (error?: unknown) => void): void
  destroy(sessionId: string, callback?: (error?: unknown) => void): void
}

/** When a session was created, last used, and ends, in s since 1970. */
interface Header {
  iat: number
  uat: number
  exp: number
}

interface Payload {
  header?: Header
  data?: SessionRecord
  /** `expires` is in ms since 1970. */
  cookie?: { expires?: number }
}

/**
 * Makes a store usable for `express-openid-connect`: `auth({ session: { store: openidConnectStore(store) } })`. All
 * guarantees of the store hold. Without this adapter, a request in flight brings a revoked session back.
 *
 * - The owner of a session is the `sub` of its ID token, unless `afterCallback` sets `userId` in the session. It is
 *   `userId` in `req.appSession` and in the record.
 * - `req.appSession` must not have a property `cookie`.
 * - If the store cannot load a session, the library continues without a session. The response then ends with an error.
 *   So a failure of Redis signs nobody out.
 *
 * @throws {TypeError} if `store` is not a `UserSessionStore`.
 */
export function openidConnectStore(store: UserSessionStore): OpenidConnectStore {
  checkStore(store)
  return new Adapter(store)
}

class Adapter implements OpenidConnectStore {
  readonly #store: UserSessionStore
  /** Remembers the store's data by the object `data` that the library got. */
  readonly #loaded = new WeakMap<object, Stored | FailedLoad>()

  constructor(store: UserSessionStore) {
    this.#store = store
  }

  get<Payload>(sessionId: string, callback: (error: unknown, payload?: Payload | null) => void): void {
    this.#store.get(sessionId, (error, data) => {
      if (error && !isOutage(sessionId, error)) return callback(error)
      const payload = error ? failedPayload() : data && payloadOf(data as unknown as SessionRecord)
      if (error) this.#loaded.set(payload?.data as object, new FailedLoad(error))
      else if (data && payload?.data) this.#loaded.set(payload.data, { sessionId, data })
      callback(null, payload as Payload)
    })
  }

  set(sessionId: string, payload: Payload, callback: (error?: unknown) => void = () => {}): void {
    let data: SessionData
    try {
      data = this.#dataOf(sessionId, payload)
    } catch (error) {
      callback(error)
      return
    }
    this.#store.set(sessionId, data, (error) => callback(error))
  }

  destroy(sessionId: string, callback?: (error?: unknown) => void): void {
    this.#store.destroy(sessionId, callback && ((error) => callback(error)))
  }

  #dataOf(sessionId: string, payload: Payload): SessionData {
    const { data = {} } = payload
    const known = this.#loaded.get(data)
    if (known instanceof FailedLoad) throw known.error
    const stored = known?.sessionId === sessionId ? known : newStored(sessionId)
    refill(stored.data, recordOf(payload))
    this.#loaded.set(data, stored)
    return stored.data
  }
}

/** Stands for a session that could not be loaded. If `get` rejected, the library would treat the session as missing. */
class FailedLoad {
  constructor(readonly error: unknown) {}
}

function failedPayload(): Payload {
  const now = Math.floor(Date.now() / 1000)
  return { header: { iat: now, uat: now, exp: now + 60 }, data: { failedToLoad: true } }
}

/**
 * Whether a session that may exist could not be loaded. A corrupt record is no outage, because the library replaces it.
 * Neither is an id that the store refuses, nor a back-channel logout. The library keeps the latter under an id with a `|`
 * after the issuer.
 */
function isOutage(sessionId: string, error: unknown): boolean {
  const { code } = Object(error) as { code?: unknown }
  const isRefused = error instanceof TypeError && error.message.startsWith('sessionId ')
  return code !== 'SESSION_CORRUPT' && !isRefused && !/^https?:.*\|/.test(sessionId)
}

/** Returns the session in the library's form, or `null` if its user was signed out. */
function payloadOf(record: SessionRecord): Payload | null {
  const { cookie, openidHeader: header, ...data } = record
  if (header === undefined) return nestedPayload(record)
  // The session id was used again. The tokens come from a late save of the session before.
  if (data.userId === undefined && subjectOf(data) !== undefined) return null
  return { header: header as Header, data, cookie: cookie as Payload['cookie'] & object }
}

/** A back-channel logout, or a record that another store wrote, such as connect-redis. */
function nestedPayload({ header, data, cookie }: SessionRecord): Payload {
  return { header, data, cookie } as Payload
}

function recordOf({ header, data = {}, cookie }: Payload): SessionRecord {
  if (data.cookie !== undefined) {
    throw new TypeError('req.appSession must not have a property cookie, which says when a session expires')
  }
  const userId = data.userId ?? subjectOf(data)
  return {
    ...data,
    ...(userId !== undefined && { userId }),
    ...(header && { openidHeader: header }),
    ...(cookie && { cookie: recordCookie(header, cookie) }),
  }
}

/**
 * The session's lifetime counts from now, in the library's whole seconds. A back-channel logout ends at its own time,
 * and requests do not move that.
 */
function recordCookie(header: Header | undefined, { expires }: { expires?: number }): SessionRecord {
  const originalMaxAge = header ? (header.exp - header.uat) * 1000 : null
  const end = originalMaxAge === null ? (expires as number) : Date.now() + originalMaxAge
  return { originalMaxAge, expires: new Date(end), httpOnly: true, path: '/' }
}

/** Returns the user in an ID token. The library has verified the token. */
function subjectOf({ id_token: token }: SessionRecord): string | undefined {
  if (typeof token !== 'string') return undefined
  try {
    const { sub } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
    return typeof sub === 'string' && sub !== '' ? sub : undefined
  } catch {
    return undefined
  }
}
