/**
 * Signs a browser in under a new session id. Call it only for a user who has just typed the right password.
 *
 * Code that changes an account changes the row first and the sessions second. This function saves the session
 * first and reads the row second. So one of the two always sees the other, and no session keeps an old role
 * or survives a sign-out.
 */
import type { Request } from 'express'
import type { Account, Accounts } from './accounts.ts'

/** Resolves to `false`, signed out, if the account has changed meanwhile. */
export async function startSession(req: Request, accounts: Accounts, account: Account): Promise<boolean> {
  await promised((done) => req.session.regenerate(done))
  // All of it is the account's. Nothing is copied from the session before.
  Object.assign(req.session, { userId: account.id, role: account.role, accountVersion: account.version })
  await promised((done) => req.session.save(done))

  const now = await accounts.byId(account.id)
  if (now?.version === account.version) return true
  await promised((done) => req.session.regenerate(done))
  return false
}

function promised(start: (done: (error?: unknown) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => start((error) => (error ? reject(error) : resolve())))
}
