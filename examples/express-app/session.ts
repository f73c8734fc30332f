/** What a session holds here, and the four things that routes do with one. */
import { isIP } from 'node:net'
import type { ErrorRequestHandler, Request, RequestHandler, Response } from 'express'
import session, { type Store } from 'express-session'
import type { Role, User, Users } from './users.ts'

declare module 'express-session' {
  interface SessionData {
    userId?: string
    role?: Role
    signedInAt?: string
    userAgent?: string
    ip?: string
    /** The page that a visitor asked for before signing in. */
    returnTo?: string
    flash?: { kind: 'success' | 'error'; text: string }
  }
}

const HOUR = 3_600_000
const VISIT = HOUR
export const SIGNED_IN = 12 * HOUR
export const REMEMBERED = 30 * 24 * HOUR

const COOKIE_NAME = 'sid'
const USER_AGENT_LENGTH = 512

export const sessions = (store: Store, secret: string): RequestHandler =>
  session({
    store,
    secret,
    name: COOKIE_NAME,
    resave: false,
    saveUninitialized: false,
    // Every answer moves the cookie's expiry as well, so that browser and Redis forget a session together.
    rolling: true,
    cookie: { httpOnly: true, sameSite: 'lax', secure: 'auto', maxAge: VISIT },
  })

/** A browser whose session cannot be read gets a new one, and can sign in again. An outage is not this error. */
export const replaceCorruptSession: ErrorRequestHandler = (error, req, _res, next) => {
  if (error?.code !== 'SESSION_CORRUPT' || req.session) return next(error)
  req.sessionStore.regenerate(req, next)
}

/** Ends the session, if any, and begins an anonymous one with a new id. */
export const regenerate = (req: Request): Promise<void> =>
  new Promise((resolve, reject) => {
    req.session.regenerate((error) => (error ? reject(error) : resolve()))
  })

export const save = (req: Request): Promise<void> =>
  new Promise((resolve, reject) => {
    req.session.save((error) => (error ? reject(error) : resolve()))
  })

/** Redirects once the session is saved: without that, a quick browser loads the next page with the old one. */
export async function saveAndRedirect(req: Request, res: Response, url: string): Promise<void> {
  await save(req)
  res.redirect(303, url)
}

/**
 * Signs this browser in under a new session id, so that an id planted before is worth nothing.
 *
 * Resolves to false, signed out, if the account changed meanwhile. A new password, a new role and a sign-out everywhere change
 * the account first and the sessions second. This function saves the session first and looks at the account second. So one of
 * the two always sees the other, and no session slips through between.
 */
export async function startSession(
  req: Request,
  users: Users,
  user: User,
  { maxAge, signedInAt = new Date().toISOString() }: { maxAge: number; signedInAt?: string },
): Promise<boolean> {
  await regenerate(req)
  Object.assign(req.session, { userId: user.id, role: user.role, signedInAt })
  req.session.cookie.maxAge = maxAge
  noteDevice(req)
  await save(req)
  if (users.get(user.id) === user) return true
  await regenerate(req)
  return false
}

/** Undefined where a proxy passes on something else that its client wrote. */
export function addressOf(req: Request): string | undefined {
  const ip = req.ip?.replace(/^::ffff:/, '') ?? ''
  return isIP(ip) ? ip : undefined
}

/** Keeps the address and the browser's version up to date: a notebook travels, a browser updates itself. */
export function noteDevice(req: Request): void {
  req.session.ip = addressOf(req)
  req.session.userAgent = req.get('user-agent')?.slice(0, USER_AGENT_LENGTH)
}

/** Whether the browser came with the cookie of a session that is over, which mostly means: signed out from elsewhere. */
export function cameTooLate(req: Request): boolean {
  const hasCookie = req.headers.cookie?.split('; ').some((cookie) => cookie.startsWith(`${COOKIE_NAME}=`))
  const isNew = Object.keys(req.session).every((key) => key === 'cookie')
  return hasCookie === true && isNew
}
