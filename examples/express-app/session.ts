/**
 * The data of a session, and how one begins and ends. Only users have sessions: a visitor who only reads
 * writes nothing to Redis.
 */
import { createHash } from 'node:crypto'
import type { ErrorRequestHandler, Request, RequestHandler, Response } from 'express'
import session, { type SessionData, type Store } from 'express-session'
import { addressOf, browserOf } from './browser.ts'
import type { Role, User, Users } from './users.ts'

declare module 'express-session' {
  interface SessionData {
    userId?: string
    role?: Role
    signedInAt?: string
    /** When the user last typed the password in this session. */
    passwordAt?: string
    /** "Remember me" */
    remembered?: boolean
    /** The user had not signed in with this browser before. */
    newBrowser?: boolean
    /** Names the browser, which keeps its name after signing out. */
    browser?: string
    userAgent?: string
    ip?: string
    /** The handle of the session that this one continues, under a new session id. */
    continues?: string
  }
}

const HOUR = 3_600_000
const SIGNED_IN = 12 * HOUR
const REMEMBERED = 30 * 24 * HOUR

const COOKIE_NAME = 'sid'
const USER_AGENT_LENGTH = 512

export const sessions = (store: Store, secret: string): RequestHandler =>
  session({
    store,
    secret,
    name: COOKIE_NAME,
    resave: false,
    saveUninitialized: false,
    // Every answer also moves the cookie's expiry, so that the browser and Redis drop a session at the same
    // time.
    rolling: true,
    cookie: { httpOnly: true, sameSite: 'lax', secure: 'auto', maxAge: SIGNED_IN },
  })

/** A browser whose session cannot be read gets a new one, and can sign in again. An outage is not this error. */
export const replaceCorruptSession: ErrorRequestHandler = (error, req, _res, next) => {
  if (error?.code !== 'SESSION_CORRUPT' || req.session) return next(error)
  req.sessionStore.regenerate(req, next)
}

export const save = (req: Request): Promise<void> =>
  new Promise((resolve, reject) => {
    req.session.save((error) => (error ? reject(error) : resolve()))
  })

const regenerate = (req: Request): Promise<void> =>
  new Promise((resolve, reject) => {
    req.session.regenerate((error) => (error ? reject(error) : resolve()))
  })

export type SignIn = Pick<
  SessionData,
  'signedInAt' | 'passwordAt' | 'remembered' | 'newBrowser' | 'continues'
>

/**
 * Signs this browser in under a new session id, so that an id planted before is worth nothing.
 *
 * Resolves to false, signed out, if the account changed meanwhile. A new password, a new role and a sign-out everywhere change
 * the account first and the sessions second. This function saves the session first and looks at the account second. So one of
 * the two always sees the other, and no session slips through between.
 */
export async function startSession(req: Request, users: Users, user: User, signIn: SignIn): Promise<boolean> {
  await regenerate(req)
  Object.assign(req.session, { ...signIn, userId: user.id, role: user.role, browser: nameOf(browserOf(req)) })
  req.session.cookie.maxAge = signIn.remembered ? REMEMBERED : SIGNED_IN
  noteDevice(req)
  await save(req)
  if (users.get(user.id) === user) return true
  await regenerate(req)
  return false
}

/** Ends the session in Redis and in the browser. */
export async function endSession(req: Request, res: Response): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    req.session.destroy((error) => (error ? reject(error) : resolve()))
  })
  forgetSession(req, res)
}

/** Removes the cookie of a session that has ended. */
export function forgetSession(req: Request, res: Response): void {
  Reflect.deleteProperty(req, 'session') // express-session sends no cookie then
  res.clearCookie(COOKIE_NAME)
}

/** Continues with another session of this browser, which its other click has just started. */
export async function adoptSession(req: Request, sessionId: string): Promise<void> {
  const data = await new Promise<SessionData | null | undefined>((resolve, reject) => {
    req.sessionStore.get(sessionId, (error, data) => (error ? reject(error) : resolve(data)))
  })
  if (!data) return
  req.sessionID = sessionId
  req.sessionStore.createSession(req, data)
}

/** Keeps the address and the browser's version up to date: a notebook travels, a browser updates itself. */
export function noteDevice(req: Request): void {
  // A browser that has left already has no address any more.
  req.session.ip = addressOf(req) ?? req.session.ip
  req.session.userAgent = req.get('user-agent')?.slice(0, USER_AGENT_LENGTH)
}

/** Whether the browser came with the cookie of a session that is over, which mostly means: signed out from elsewhere. */
export function cameTooLate(req: Request): boolean {
  return req.signedCookies[COOKIE_NAME] !== undefined && req.session?.userId === undefined
}

/**
 * A name for a secret id, for places where the id itself must not be. A session's `handle` is made in the
 * same way.
 */
export const nameOf = (id: string): string => createHash('sha256').update(id).digest('base64url')
