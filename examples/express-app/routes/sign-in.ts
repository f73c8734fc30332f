import { type Request, type RequestHandler, type Response, Router } from 'express'
import { requireUser } from '../access.ts'
import { answer, done, nextPage, pageOfForm, problem } from '../answers.ts'
import type { Shared } from '../app.ts'
import { browserOf } from '../browser.ts'
import { devicesOf } from '../devices.ts'
import { field } from '../forms.ts'
import { endSession, nameOf, startSession } from '../session.ts'
import type { User } from '../users.ts'

export function signInRoutes(shared: Shared): Router {
  const { users, history, protect, passwordLimits } = shared
  const router = Router()

  router.get('/sign-in', (req, res) => {
    if (res.locals.user) return res.redirect(nextPage(req))
    res.render('sign-in', { action: pageOfForm(req) })
  })

  router.post('/sign-in', notSignedIn, protect, ...passwordLimits, async (req, res) => {
    const name = field(req, 'name')
    const remembered = field(req, 'remember') === 'yes'
    const user = await users.authenticate(name, field(req, 'password'))
    if (!user) {
      res.locals.wrongPassword = true
      const typed = { name: name.slice(0, 100), remember: remembered ? 'yes' : '' }
      // The message is the same for a wrong name and a wrong password. It must not reveal which names exist.
      const message = problem('That name and password do not go together.', { typed })
      return answer(req, res, pageOfForm(req), message)
    }
    const newBrowser = !(await history.knows(user.id, nameOf(browserOf(req))))
    const now = new Date().toISOString()
    const signIn = { signedInAt: now, passwordAt: now, remembered, newBrowser }
    if (!(await startSession(req, users, user, signIn))) {
      return answer(
        req,
        res,
        '/sign-in',
        problem('Your account has just been changed. Please sign in again.'),
      )
    }
    if (newBrowser) tellOf(req, user, shared)
    await answer(req, res, nextPage(req), done(`You are signed in as ${user.name}.`))
  })

  router.post('/sign-out', requireUser, protect, async (req, res) => {
    await endSession(req, res)
    await answer(req, res, '/sign-in', done('You are signed out on this device.'))
  })

  return router
}

/** A sign-in page that is older than the sign-in. */
const notSignedIn: RequestHandler = async (req: Request, res: Response, next) => {
  const { user } = res.locals
  if (!user) return next()
  await answer(req, res, nextPage(req), done(`You are signed in already, as ${user.name}.`))
}

/** The sign-in does not wait for the mail, and does not fail because of it. */
function tellOf(req: Request, user: User, { store, describePlace, notify, publicUrl }: Shared): void {
  const tell = async () => {
    const devices = await devicesOf(store, describePlace, user.id, req.sessionID)
    const device = devices.find(({ current }) => current)
    if (device)
      await notify({ user, device, at: new Date(), url: `${publicUrl}/account/sessions/${device.handle}` })
  }
  tell().catch((error) => console.error(error))
}
