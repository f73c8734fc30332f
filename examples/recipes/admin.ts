/** An admin signs a user out everywhere, or removes a role from all of the user's sessions at once. */
import { type RequestHandler, Router } from 'express'
import type { UserSessionStore } from 'redis-user-sessions'
import type { Accounts } from './accounts.ts'

const onlyAdmins: RequestHandler = (req, res, next) => {
  if (req.session.role === 'admin') return next()
  res.sendStatus(403)
}

/** Put your CSRF protection in front of these routes. */
export function adminRoutes(store: UserSessionStore, accounts: Accounts): Router {
  const router = Router()
  router.use(onlyAdmins)

  // The account first, the sessions second: a sign-in that runs meanwhile then sees the new version.
  router.post('/users/:userId/sign-out', async (req, res) => {
    const account = await accounts.signOutEverywhere(req.params.userId)
    if (!account) return res.sendStatus(404)
    res.json({ signedOut: await store.destroyUser(account.id) })
  })

  router.post('/users/:userId/demote', async (req, res) => {
    const account = await accounts.setRole(req.params.userId, 'member')
    if (!account) return res.sendStatus(404)
    const { id, role, version } = account
    res.json({ changed: await store.updateUser(id, { role, accountVersion: version }) })
  })

  return router
}
