import { Router } from 'express'
import { csrfProtection, field, requireUser } from '../access.ts'
import type { Shared } from '../app.ts'
import { REMEMBERED, regenerate, SIGNED_IN, saveAndRedirect, startSession } from '../session.ts'

export function signInRoutes({ users, passwordLimits }: Shared): Router {
  const router = Router()

  router.get('/sign-in', (_req, res) => {
    if (res.locals.user) return res.redirect('/account')
    res.render('sign-in')
  })

  router.post('/sign-in', csrfProtection, ...passwordLimits, async (req, res) => {
    const name = field(req, 'name')
    const remember = field(req, 'remember') === 'yes'
    const user = await users.authenticate(name, field(req, 'password'))
    if (!user) {
      // The same words whether the name or the password was wrong: which of them is nobody's business.
      const error = 'That name and password do not go together.'
      return res.status(401).render('sign-in', { name, remember, error })
    }
    const { returnTo = '/account' } = req.session
    if (!(await startSession(req, users, user, { maxAge: remember ? REMEMBERED : SIGNED_IN }))) {
      req.session.flash = { kind: 'error', text: 'Your account has just been changed. Please sign in again.' }
      return saveAndRedirect(req, res, '/sign-in')
    }
    res.redirect(303, returnTo)
  })

  router.post('/sign-out', requireUser, csrfProtection, async (req, res) => {
    await regenerate(req)
    req.session.flash = { kind: 'success', text: 'You are signed out.' }
    await saveAndRedirect(req, res, '/sign-in')
  })

  return router
}
