/** Slows down people who guess passwords. */
import type { Request, RequestHandler, Response } from 'express'
import { ipKeyGenerator, type RateLimitInfo, rateLimit } from 'express-rate-limit'
import { answer, pageOfForm, problem } from './answers.ts'
import { addressOf } from './browser.ts'
import { field } from './forms.ts'
import { normalName } from './users.ts'
import { count } from './words.ts'

declare global {
  namespace Express {
    interface Request {
      passwordLimit?: RateLimitInfo
    }
  }
}

/**
 * Allows twenty wrong passwords from one address in a quarter of an hour. Allows fifty for one account from all
 * addresses. They must come after the check of the CSRF token. Otherwise any page could use up a
 * visitor's attempts with its own forms.
 *
 * The counters are in the memory of one process. With several processes, give `rateLimit` a shared `store`.
 */
export function passwordLimits(): RequestHandler[] {
  const limits = {
    windowMs: 15 * 60_000,
    requestPropertyName: 'passwordLimit',
    requestWasSuccessful: (_req: Request, res: Response) => !res.locals.wrongPassword,
    skipSuccessfulRequests: true,
    legacyHeaders: false,
    handler: tooMany,
  }
  return [
    rateLimit({ ...limits, limit: 20, standardHeaders: 'draft-8', keyGenerator: address }),
    rateLimit({ ...limits, limit: 50, standardHeaders: false, keyGenerator: account }),
  ]
}

async function tooMany(req: Request, res: Response): Promise<void> {
  const ends = req.passwordLimit?.resetTime?.getTime() ?? Date.now()
  const minutes = Math.max(1, Math.ceil((ends - Date.now()) / 60_000))
  const text = `Too many wrong passwords. Try again in ${count(minutes, 'minute')}.`
  await answer(
    req,
    res,
    pageOfForm(req),
    problem(text, { typed: { name: field(req, 'name').slice(0, 100) } }),
  )
}

/** Of IPv6 the network: its owner has all addresses in it. */
const address = (req: Request): string => ipKeyGenerator(addressOf(req) ?? '')

/** Signed-in users have separate attempts. Strangers who guess at the sign-in page cannot use them up. */
function account(req: Request, res: Response): string {
  const { user } = res.locals
  return user ? `id ${user.id}` : `name ${normalName(field(req, 'name')).slice(0, 100)}`
}
