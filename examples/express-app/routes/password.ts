/** A new password signs out every other device: whoever had the old one is out. */
import { Router } from 'express'
import { field, userOf } from '../access.ts'
import type { Shared } from '../app.ts'
import { SIGNED_IN, saveAndRedirect, startSession } from '../session.ts'
import { PASSWORD_LENGTH } from '../users.ts'
import { count } from '../words.ts'

export function passwordRoutes({ store, users, passwordLimits }: Shared): Router {
  const router = Router()

  router.get('/password', (_req, res) => {
    res.render('password', { errors: {}, PASSWORD_LENGTH })
  })

  router.post('/password', ...passwordLimits, async (req, res) => {
    const user = userOf(res)
    const current = field(req, 'current')
    const wanted = field(req, 'new')
    const errors = problemsWith(wanted, field(req, 'repeat'))
    if (!(await users.passwordMatches(user, current))) errors.current = 'That is not your password.'
    if (Object.keys(errors).length > 0) {
      return res.status(422).render('password', { errors, PASSWORD_LENGTH })
    }

    const changed = await users.setPassword(user, wanted)
    const { signedInAt, cookie } = req.session
    const maxAge = cookie.originalMaxAge ?? SIGNED_IN
    // A new session id here, then everything but this session goes.
    if (!changed || !(await startSession(req, users, changed, { maxAge, signedInAt }))) {
      req.session.flash = { kind: 'error', text: 'Your account has just been changed from elsewhere.' }
      return saveAndRedirect(req, res, '/account')
    }
    const signedOut = await store.destroyUser(user.id, { except: req.sessionID })
    req.session.flash = {
      kind: 'success',
      text: `Your password is changed.${signedOut > 0 ? ` ${count(signedOut, 'other device')} signed out, until the new one is typed there.` : ''}`,
    }
    await saveAndRedirect(req, res, '/account')
  })

  return router
}

type Problems = { current?: string; new?: string; repeat?: string }

function problemsWith(password: string, repeat: string): Problems {
  const { min, max } = PASSWORD_LENGTH
  if (password.length < min) return { new: `A password has at least ${min} characters.` }
  if (password.length > max) return { new: `A password has at most ${max} characters.` }
  if (password !== repeat) return { repeat: 'The two new passwords differ.' }
  return {}
}
