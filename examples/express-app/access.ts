/** Middleware that finds the user of a request and checks what the user may do. */
import type { RequestHandler, Response } from 'express'
import { answer, pageOfForm, problem, withNext } from './answers.ts'
import { PageError } from './errors.ts'
import { cameTooLate, endSession, forgetSession, noteDevice } from './session.ts'
import type { User, Users } from './users.ts'

/** For how long a password counts, before dangerous actions ask for it again. */
export const PASSWORD_COUNTS_MINUTES = 10

/**
 * Looks up the signed-in user, if there is one. The role is in the session: `updateUser` changes it there.
 */
export const whoIsIt =
  (users: Users): RequestHandler =>
  async (req, res, next) => {
    res.locals.path = req.path
    const { userId } = req.session
    if (userId === undefined) return next()
    const user = users.get(userId)
    if (!user) {
      await endSession(req, res)
      return res.redirect(303, '/sign-in')
    }
    res.locals.user = user
    res.locals.role = req.session.role
    next()
  }

/** For requests for pages. */
export const noteDeviceOfUser: RequestHandler = (req, res, next) => {
  if (res.locals.user) noteDevice(req)
  next()
}

export const requireUser: RequestHandler = async (req, res, next) => {
  if (res.locals.user) return next()
  const message = cameTooLate(req)
    ? problem('You were signed out on this device. Sign in again to go on.')
    : undefined
  forgetSession(req, res)
  await answer(req, res, withNext('/sign-in', pageOfForm(req)), message)
}

export const requireAdmin: RequestHandler = (req, _res, next) => {
  next(req.session.role === 'admin' ? undefined : new PageError(403))
}

/**
 * Protects dangerous actions from a passer-by at an unlocked notebook. It asks for the password, unless it
 * was typed just now.
 */
export const requireRecentPassword: RequestHandler = async (req, res, next) => {
  const age = Date.now() - Date.parse(req.session.passwordAt ?? '')
  if (age < PASSWORD_COUNTS_MINUTES * 60_000) return next()
  await answer(req, res, withNext('/account/confirm', pageOfForm(req)))
}

/** The user that `requireUser` let through. */
export const userOf = (res: Response): User => res.locals.user
