/** A new password signs out every other device, including any device of a thief. */
import { Router } from 'express'
import { userOf } from '../access.ts'
import { answer, done, problem } from '../answers.ts'
import type { Shared } from '../app.ts'
import { field } from '../forms.ts'
import { nameOf, startSession } from '../session.ts'
import { PASSWORD_LENGTH } from '../users.ts'
import { count } from '../words.ts'

export function passwordRoutes({ store, users, passwordLimits }: Shared): Router {
  const router = Router()

  router.get('/password', (_req, res) => {
    res.render('password', { PASSWORD_LENGTH })
  })

  router.post('/password', ...passwordLimits, async (req, res) => {
    const user = userOf(res)
    const current = field(req, 'current')
    const wanted = field(req, 'new')
    const problems = problemsWith(current, wanted, field(req, 'repeat'))
    if (!(await users.passwordMatches(user, current))) {
      res.locals.wrongPassword = true
      problems.current = 'That is not your password.'
    }
    if (Object.keys(problems).length > 0) {
      const text = 'Your password is unchanged. See below what to correct.'
      return answer(req, res, '/account/password', problem(text, { problems }))
    }

    const changed = await users.setPassword(user, wanted)
    const { signedInAt, remembered, newBrowser } = req.session
    const kept = { signedInAt, remembered, newBrowser, continues: nameOf(req.sessionID) }
    const signIn = { ...kept, passwordAt: new Date().toISOString() }
    // This browser gets a new session id first. Then all other sessions are signed out.
    if (!changed || !(await startSession(req, users, changed, signIn))) {
      return answer(req, res, '/account', problem('Your account has just been changed from elsewhere.'))
    }
    const signedOut = await store.destroyUser(user.id, { except: req.sessionID })
    const others =
      signedOut > 0
        ? ` ${count(signedOut, 'other device')} signed out, until the new one is typed there.`
        : ''
    await answer(req, res, '/account', done(`Your password is changed.${others}`))
  })

  return router
}

type Problems = { current?: string; new?: string; repeat?: string }

function problemsWith(current: string, password: string, repeat: string): Problems {
  const { min, max } = PASSWORD_LENGTH
  if (password.length < min) return { new: `A password has at least ${min} characters.` }
  if (password.length > max) return { new: `A password has at most ${max} characters.` }
  if (password === current) return { new: 'That is the password that you have now.' }
  if (password !== repeat) return { repeat: 'The two new passwords differ.' }
  return {}
}
