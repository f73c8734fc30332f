/** A new password signs out every other device of the user, and gives this one a new session id. */
import type { Request } from 'express'
import type { UserSessionStore } from 'redis-user-sessions'
import type { Accounts } from './accounts.ts'
import { startSession } from './start-session.ts'

/**
 * Resolves to how many other devices were signed out. Check the current password before you call it.
 *
 * Resolves to `null` if the account has changed since this session began or while this ran. A demotion or a sign-out
 * changes it, for instance. Then send the browser to the sign-in page.
 */
export async function changePassword(
  store: UserSessionStore,
  accounts: Accounts,
  req: Request,
  password: string,
): Promise<number | null> {
  const { userId, accountVersion } = req.session
  if (userId === undefined || accountVersion === undefined) throw new Error('Nobody is signed in')

  const account = await accounts.setPassword(userId, accountVersion, password)
  if (!account) return null
  // The old session id may have leaked together with the old password.
  if (!(await startSession(req, accounts, account))) return null
  return store.destroyUser(userId, { except: req.sessionID })
}
