/** An admin signs a user out everywhere, or changes his role in all sessions that he has, at once. */
import { type RequestHandler, Router } from 'express'
import type { UserSessionStore } from 'redis-user-sessions'

const onlyAdmins: RequestHandler = (req, res, next) => {
  if (req.session.role === 'admin') return next()
  res.sendStatus(403)
}

export function adminRoutes(store: UserSessionStore): Router {
  const router = Router()
  router.use(onlyAdmins)

  router.post('/users/:userId/sign-out', async (req, res) => {
    // First make sure that he cannot sign in again, in your database; then:
    res.json({ signedOut: await store.destroyUser(req.params.userId) })
  })

  router.post('/users/:userId/demote', async (req, res) => {
    // First in your database, which the next sign-in reads; then:
    res.json({ changed: await store.updateUser(req.params.userId, { role: 'member' }) })
  })

  return router
}
