/** Users, their roles, and signing a user out. Only for admins who typed their password recently. */
import { type RequestHandler, Router } from 'express'
import { requireRecentPassword, userOf } from '../access.ts'
import { answer, done, problem } from '../answers.ts'
import type { Shared } from '../app.ts'
import { PageError } from '../errors.ts'
import { field } from '../forms.ts'
import { ROLES, type Role, type User } from '../users.ts'
import { count } from '../words.ts'

const CHANGED = 'Somebody else changed this user at the same moment. Look, and try again.'

export function adminRoutes({ store, users, changes }: Shared): Router {
  const router = Router()

  router.get('/', async (_req, res) => {
    const withSessions = async (user: User) => ({
      ...publicPart(user),
      self: user.id === userOf(res).id,
      devices: (await store.userSessions(user.id)).length,
    })
    res.render('admin', { users: await Promise.all(users.list().map(withSessions)), ROLES })
  })

  /**
   * Finds the user whose id is in the path. It must be another user: admins cannot change themselves here.
   */
  const findSubject: RequestHandler<{ id: string }> = (req, res, next) => {
    const subject = users.get(req.params.id)
    if (!subject) throw new PageError(404)
    if (subject.id === userOf(res).id) throw new PageError(400)
    res.locals.subject = subject
    next()
  }

  router.post('/users/:id/role', findSubject, requireRecentPassword, async (req, res) => {
    const subject: User = res.locals.subject
    const role = field(req, 'role')
    if (!isRole(role)) throw new PageError(400)
    // Change the account first, so that a sign-in at this moment finds the change. Then change all sessions.
    if (!users.setRole(subject, role)) return answer(req, res, '/admin', problem(CHANGED))
    const updated = await store.updateUser(subject.id, { role })
    changes.tell(subject.id, 'role')
    const where = updated > 0 ? `, on ${count(updated, 'device')} at once` : ''
    await answer(req, res, '/admin', done(`The role of ${subject.name} is ${role} now${where}.`))
  })

  router.get('/users/:id/sign-out', findSubject, requireRecentPassword, (_req, res) => {
    res.render('admin-sign-out', { subject: publicPart(res.locals.subject) })
  })

  router.post('/users/:id/sign-out', findSubject, requireRecentPassword, async (req, res) => {
    const subject: User = res.locals.subject
    users.renew(subject.id)
    const signedOut = await store.destroyUser(subject.id)
    await answer(req, res, '/admin', done(`${subject.name} is signed out on ${count(signedOut, 'device')}.`))
  })

  return router
}

const isRole = (role: string): role is Role => ROLES.some((known) => known === role)

const publicPart = ({ id, name, role }: User) => ({ id, name, role })
