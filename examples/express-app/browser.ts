/** Identifies a browser, signed in or not, by a random name in a separate cookie. Forms are bound to it. */
import { randomBytes } from 'node:crypto'
import { isIP } from 'node:net'
import type { Request, RequestHandler } from 'express'

const COOKIE_NAME = 'browser'
const KEPT = 365 * 24 * 3_600_000
const NAME = /^[\w-]{32}$/

export const nameBrowser: RequestHandler = (req, res, next) => {
  if (!NAME.test(browserOf(req))) {
    const name = randomBytes(24).toString('base64url')
    req.cookies[COOKIE_NAME] = name
    res.cookie(COOKIE_NAME, name, { httpOnly: true, sameSite: 'lax', secure: req.secure, maxAge: KEPT })
  }
  next()
}

export function browserOf(req: Request): string {
  const name: unknown = req.cookies[COOKIE_NAME]
  return typeof name === 'string' ? name : ''
}

/** Undefined if a proxy forwards something else that its client wrote. */
export function addressOf(req: Request): string | undefined {
  const ip = req.ip?.replace(/^::ffff:/, '') ?? ''
  return isIP(ip) ? ip : undefined
}
