/** Session data as express-session passes it to a store. */
import session, { type SessionData } from 'express-session'
import { HOUR } from './database.ts'

type Cookie = SessionData['cookie']
export type Fields = Record<string, unknown>

const CookieClass = (session as unknown as { Cookie: new (options?: Fields) => Cookie }).Cookie

/** A cookie as express-session makes it, which lives for `maxAge` ms from now; `null`: until the browser closes. */
export function cookie(maxAge: number | null = HOUR): Cookie {
  const made = new CookieClass({ maxAge })
  // The constructor reads the clock twice, so it may lose a millisecond.
  made.originalMaxAge = maxAge
  return made
}

/** A cookie whose session was last used `ago` ms ago. */
export function usedCookie(ago: number, maxAge = HOUR): Cookie {
  const used = cookie(maxAge)
  used.expires = new Date(Date.now() + maxAge - ago)
  used.originalMaxAge = maxAge
  return used
}

/** New session data with a cookie of one hour and these fields. */
export function newSession(fields: Fields = {}, sessionCookie = cookie()): SessionData {
  return { cookie: sessionCookie, ...fields } as SessionData
}

/** The same data, open to any property. */
export function fields(data: SessionData | null | undefined): Fields & SessionData {
  if (!data) throw new Error('There is no session data')
  return data as Fields & SessionData
}
