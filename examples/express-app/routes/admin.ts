/** Users, their roles, and a way to sign one out; only for admins. */
import { type RequestHandler, Router } from 'express'
import { field, PageError, userOf } from '../access.ts'
import type { Shared } from '../app.ts'
import { saveAndRedirect } from '../session.ts'
import { ROLES, type Role, type User } from '../users.ts'
import { count } from '../words.ts'

export function adminRoutes({ store, users }: Shared): Router {
  const router = Router()

  router.get('/', async (_req, res) => {
    const withSessions = async (user: User) => ({
      ...publicPart(user),
      self: user.id === userOf(res).id,
      devices: (await store.userSessions(user.id)).length,
    })
    res.render('admin', { users: await Promise.all(users.list().map(withSessions)), ROLES })
  })

  /** The user whose id is in the path: another user. Nobody takes their own role here, or signs out everywhere without a password. */
  const findSubject: RequestHandler<{ id: string }> = (req, res, next) => {
    const subject = users.get(req.params.id)
    if (!subject) throw new PageError(404)
    if (subject.id === userOf(res).id) throw new PageError(400)
    res.locals.subject = subject
    next()
  }

  router.post('/users/:id/role', findSubject, async (req, res) => {
    const subject: User = res.locals.subject
    const role = field(req, 'role')
    if (!isRole(role)) throw new PageError(400)
    // The account first, so that a sign-in of this moment finds it changed; then all sessions at once.
    if (!users.setRole(subject, role)) throw new PageError(409)
    const updated = await store.updateUser(subject.id, { role })
    req.session.flash = {
      kind: 'success',
      text: `The role of ${subject.name} is ${role} now${updated > 0 ? `, on ${count(updated, 'device')} at once` : ''}.`,
    }
    await saveAndRedirect(req, res, '/admin')
  })

  router.get('/users/:id/sign-out', findSubject, (_req, res) => {
    res.render('admin-sign-out', { subject: publicPart(res.locals.subject) })
  })

  router.post('/users/:id/sign-out', findSubject, async (req, res) => {
    const subject: User = res.locals.subject
    users.renew(subject.id)
    const signedOut = await store.destroyUser(subject.id)
    req.session.flash = {
      kind: 'success',
      text: `${subject.name} is signed out on ${count(signedOut, 'device')}.`,
    }
    await saveAndRedirect(req, res, '/admin')
  })

  return router
}

const isRole = (role: string): role is Role => ROLES.some((known) => known === role)

const publicPart = ({ id, name, role }: User) => ({ id, name, role })
