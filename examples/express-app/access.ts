/** Who asks, and whether they may: middleware that comes before the routes. */
import { csrfSync } from 'csrf-sync'
import type { Request, RequestHandler, Response } from 'express'
import { cameTooLate, noteDevice, regenerate, saveAndRedirect } from './session.ts'
import type { User, Users } from './users.ts'

/** Ends a request with an error page. */
export class PageError extends Error {
  readonly status: number

  constructor(status: number) {
    super(`Answered with ${status}`)
    this.status = status
  }
}

/** A field of the form, always as a string: a body may hold a list, or nothing. */
export function field(req: Request, name: string): string {
  const value: unknown = req.body?.[name]
  return typeof value === 'string' ? value : ''
}

const csrf = csrfSync({ size: 32, getTokenFromRequest: (req) => field(req, '_csrf') })
export const csrfProtection: RequestHandler = csrf.csrfSynchronisedProtection

/** Gives the views what they need of the session: a token for each form, and the message that was left for this page. */
export const sessionForPages: RequestHandler = (req, res, next) => {
  res.locals.csrfToken = () => csrf.generateToken(req)
  res.locals.takeFlash = () => {
    const { flash } = req.session
    delete req.session.flash
    return flash
  }
  next()
}

/** Looks up who is signed in, if anyone. The role is the session's own: `updateUser` changes it there. */
export const whoIsIt =
  (users: Users): RequestHandler =>
  async (req, res, next) => {
    const { userId } = req.session
    if (userId !== undefined) {
      const user = users.get(userId)
      if (user) {
        res.locals.user = user
        res.locals.role = req.session.role
        noteDevice(req)
      } else {
        await regenerate(req)
      }
    }
    res.locals.path = req.path
    next()
  }

export const requireUser: RequestHandler = async (req, res, next) => {
  if (res.locals.user) return next()
  if (cameTooLate(req)) {
    req.session.flash = { kind: 'error', text: 'You were signed out on this device. Sign in again to go on.' }
  }
  // Only pages behind this middleware are remembered: /account and /admin, never "//elsewhere", and never the whole address
  // http://elsewhere/account, which HTTP allows in a request as well.
  if (req.method === 'GET' && req.originalUrl.startsWith(req.baseUrl)) req.session.returnTo = req.originalUrl
  await saveAndRedirect(req, res, '/sign-in')
}

export const requireAdmin: RequestHandler = (req, _res, next) => {
  next(req.session.role === 'admin' ? undefined : new PageError(403))
}

/** The user that `requireUser` let through. */
export const userOf = (res: Response): User => res.locals.user
