/** Asks for the password before a dangerous action. The password then counts for some minutes. */
import { Router } from 'express'
import { PASSWORD_COUNTS_MINUTES, userOf } from '../access.ts'
import { answer, done, nextPage, pageOfForm, problem } from '../answers.ts'
import type { Shared } from '../app.ts'
import { field } from '../forms.ts'
import { save } from '../session.ts'

export function confirmRoutes({ users, passwordLimits }: Shared): Router {
  const router = Router()

  router.get('/confirm', (req, res) => {
    res.render('confirm', { action: pageOfForm(req), back: nextPage(req), PASSWORD_COUNTS_MINUTES })
  })

  router.post('/confirm', ...passwordLimits, async (req, res) => {
    if (!(await users.passwordMatches(userOf(res), field(req, 'password')))) {
      res.locals.wrongPassword = true
      const text = 'That is not your password.'
      return answer(req, res, pageOfForm(req), problem(text, { problems: { password: text } }))
    }
    req.session.passwordAt = new Date().toISOString()
    await save(req)
    // The user may have sent a form before. The answer is this page, and the form's action has not happened.
    await answer(req, res, nextPage(req), done('Thank you. Nothing was changed yet: please go on.'))
  })

  return router
}
