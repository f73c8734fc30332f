/**
 * Every form has a token that other sites do not know, and a number. By that number, a double click counts
 * once.
 */
import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { doubleCsrf } from 'csrf-csrf'
import type { Request, RequestHandler, Response } from 'express'
import { type Answer, redirect } from './answers.ts'
import { browserOf } from './browser.ts'
import { PageError } from './errors.ts'
import { adoptSession, endSession } from './session.ts'
import type { Redis } from './store.ts'

/** A field of the form, always as a string: a body may hold a list, or nothing. */
export function field(req: Request, name: string): string {
  const value: unknown = req.body?.[name]
  return typeof value === 'string' ? value : ''
}

/**
 * The token is bound to the browser, and once it is signed in to its session. It needs no session of its own. `tokens` lets the
 * pages have them: before `protect`, and for everybody.
 */
export function csrfProtection(secret: string): { tokens: RequestHandler; protect: RequestHandler } {
  const { generateCsrfToken, doubleCsrfProtection } = doubleCsrf({
    getSecret: () => secret,
    getSessionIdentifier: (req) => `${browserOf(req)} ${req.session?.userId ? req.sessionID : ''}`,
    getCsrfTokenFromRequest: (req) => field(req, '_csrf'),
    cookieName: 'csrf',
    cookieOptions: { sameSite: 'lax' },
  })
  const tokens: RequestHandler = (req, res, next) => {
    let token: string | undefined
    res.locals.csrfToken = () => {
      token ??= generateCsrfToken(req, res, { cookieOptions: { secure: req.secure } })
      return token
    }
    res.locals.onceToken = () => randomBytes(16).toString('base64url')
    next()
  }
  return { tokens, protect: doubleCsrfProtection }
}

const RUNNING = 'running'
const PATIENCE = 10_000
const LOOKS_EVERY = 50
const REMEMBERED = 60_000

/**
 * Accepts a form once. A second click sends the same form again, possibly to another process. It gets the
 * answer and the session of the first click. `SET … NX` decides which is the first.
 *
 * Only the browser that has the form can ask for its answer. Its key reveals nothing about the fields,
 * because the form's number is random.
 */
export function takeOnce(client: Redis, prefix: string): RequestHandler {
  return async (req, res, next) => {
    if (req.method !== 'POST' || !field(req, '_once')) return next()
    const form = JSON.stringify([browserOf(req), req.originalUrl, Object.entries(req.body)])
    const key = `${prefix}form:${createHash('sha256').update(form).digest('base64url')}`
    for (const end = Date.now() + PATIENCE; Date.now() < end; await sleep(LOOKS_EVERY)) {
      const taken = await client.set(key, RUNNING, {
        condition: 'NX',
        expiration: { type: 'PX', value: PATIENCE },
      })
      if (taken) return first(res, client, key, next)
      const known = await client.get(key)
      if (known !== null && known !== RUNNING) return repeat(req, res, JSON.parse(known))
    }
    throw new PageError(503)
  }
}

function first(res: Response, client: Redis, key: string, next: () => void): void {
  res.locals.remember = (answer: Answer) =>
    client.set(key, JSON.stringify(answer), { expiration: { type: 'PX', value: REMEMBERED } })
  // After an error the form may be sent again.
  res.locals.forget = () => client.del(key)
  next()
}

async function repeat(req: Request, res: Response, answer: Answer): Promise<void> {
  const { sessionId, signedOut } = answer
  if (signedOut) await endSession(req, res)
  else if (sessionId !== undefined && sessionId !== req.sessionID) await adoptSession(req, sessionId)
  redirect(res, answer)
}
