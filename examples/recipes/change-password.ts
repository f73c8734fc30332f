/** After a password change, every other device of the user is signed out, and this one gets a new session id. */
import type { Request } from 'express'
import type { UserSessionStore } from 'redis-user-sessions'

export async function afterPasswordChange(store: UserSessionStore, req: Request): Promise<number> {
  const { userId, role } = req.session
  if (!userId) throw new Error('Nobody is signed in')

  // The id may have leaked together with the password.
  await new Promise<void>((resolve, reject) => {
    req.session.regenerate((error) => (error ? reject(error) : resolve()))
  })
  Object.assign(req.session, { userId, role })

  return store.destroyUser(userId, { except: req.sessionID })
}
