/**
 * Adapts a store to `express-openid-connect`, which knows a session as `{ header, data, cookie }`. The store gets one flat record, so
 * that overlapping requests merge by property of `data`. The object `data` that `get` gave comes back in `set`.
 */
import type { SessionData } from 'express-session'
import type { UserSessionStore } from '../api/user-session-store.ts'
import type { SessionRecord } from '../session/record.ts'
import { checkStore, newStored, refill, type Stored } from './stored.ts'

/** The store that `express-openid-connect` takes, for sessions and for back-channel logouts. */
export type OpenidConnectStore = {
  get<Payload>(
    sessionId: string,
    callback: (error: unknown, payload?: Payload | null | undefined) => void,
  ): void
  set(sessionId: string, payload: object, callback?: (error?: unknown) => void): void
  destroy(sessionId: string, callback?: (error?: unknown) => void): void
}

/** When a session was created, when it was used last, and when it ends, in s since 1970. */
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
 * Lets `express-openid-connect` use a store: `auth({ session: { store: openidConnectStore(store) } })`. All guarantees of the store
 * hold. Without this adapter a request that is under way brings a revoked session back.
 *
 * - A session belongs to the `sub` of its ID token, unless `afterCallback` sets `userId` in the session. It is `userId` in
 *   `req.appSession` and in the record.
 * - `req.appSession` must not have a property `cookie`.
 * - If the store fails to load a session, the library goes on as if there was none. The end of its answer then is an error, so
 *   that a failure of Redis signs nobody out.
 *
 * @throws {TypeError} if `store` is not a `UserSessionStore`.
 */
export function openidConnectStore(store: UserSessionStore): OpenidConnectStore {
  checkStore(store)
  return new Adapter(store)
}

class Adapter implements OpenidConnectStore {
  readonly #store: UserSessionStore
  /** What the store gave, by the object `data` that the library has of it. */
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

/** What the library gets instead of a session that could not be loaded: an error would be a session that does not exist. */
class FailedLoad {
  constructor(readonly error: unknown) {}
}

function failedPayload(): Payload {
  const now = Math.floor(Date.now() / 1000)
  return { header: { iat: now, uat: now, exp: now + 60 }, data: { failedToLoad: true } }
}

/**
 * If a session could not be loaded that may be there. A corrupt record is not: the library replaces it. Nor is a back-channel logout,
 * which the library keeps under the issuer, `|`, and a user or session of the identity provider.
 */
function isOutage(sessionId: string, error: unknown): boolean {
  const { code } = Object(error) as { code?: unknown }
  return code !== 'SESSION_CORRUPT' && !(error instanceof TypeError) && !/^https?:.*\|/.test(sessionId)
}

/** The session as the library knows it; `null` if its user was signed out. */
function payloadOf(record: SessionRecord): Payload | null {
  const { cookie, openidHeader: header, ...data } = record
  if (header === undefined) return nestedPayload(record)
  // The session id was used again, and the tokens are those of a late save of the session before.
  if (data.userId === undefined && subjectOf(data) !== undefined) return null
  return { header: header as Header, data, cookie: cookie as Payload['cookie'] & object }
}

/** A record that another store wrote, such as connect-redis, or a back-channel logout. */
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
 * A session lives as long from now as the library says in whole seconds. A back-channel logout ends at its time, and no request
 * prolongs it.
 */
function recordCookie(header: Header | undefined, { expires }: { expires?: number }): SessionRecord {
  const originalMaxAge = header ? (header.exp - header.uat) * 1000 : null
  const end = originalMaxAge === null ? (expires as number) : Date.now() + originalMaxAge
  return { originalMaxAge, expires: new Date(end), httpOnly: true, path: '/' }
}

/** The user of an ID token, which the library has verified. */
function subjectOf({ id_token: token }: SessionRecord): string | undefined {
  if (typeof token !== 'string') return undefined
  try {
    const { sub } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
    return typeof sub === 'string' && sub !== '' ? sub : undefined
  } catch {
    return undefined
  }
}
