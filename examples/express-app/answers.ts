/**
 * The answer to every form: a redirect, and a message for the next page. So reloading or going back does not
 * send the form again.
 */
import type { Request, RequestHandler, Response } from 'express'

/** The messages of the next page, at its top and beside its fields. They never hold a password. */
export type Flash = {
  kind: 'success' | 'error'
  text: string
  /** The problem of a field, by the field's name. */
  problems?: Record<string, string>
  /** The typed text, by the field's name. */
  typed?: Record<string, string>
}

export type Answer = {
  to: string
  flash?: Flash
  /** Of the user's session after this answer, which may be a new one. */
  sessionId?: string
  /** The user's session ended with this answer. */
  signedOut?: boolean
}

const COOKIE_NAME = 'flash'
const KEPT = 5 * 60_000

/** Reads the message. It stays until a page shows it. */
export const flashes: RequestHandler = (req, res, next) => {
  const flash: Flash | undefined = req.signedCookies[COOKIE_NAME] || undefined
  res.locals.flash = flash
  res.locals.takeFlash = () => {
    if (flash) res.clearCookie(COOKIE_NAME)
    return flash
  }
  next()
}

export async function answer(req: Request, res: Response, to: string, flash?: Flash): Promise<void> {
  const sessionId = req.session?.userId === undefined ? undefined : req.sessionID
  const signedOut = res.locals.user !== undefined && sessionId === undefined
  const answer = { to, flash, sessionId, signedOut }
  await res.locals.remember?.(answer)
  redirect(res, answer)
}

export function redirect(res: Response, { to, flash }: Answer): void {
  const options = {
    signed: true,
    httpOnly: true,
    sameSite: 'lax',
    secure: res.req.secure,
    maxAge: KEPT,
  } as const
  if (flash) res.cookie(COOKIE_NAME, flash, options)
  res.redirect(303, to)
}

export const done = (text: string): Flash => ({ kind: 'success', text })

export const problem = (text: string, more: Pick<Flash, 'problems' | 'typed'> = {}): Flash => ({
  kind: 'error',
  text,
  ...more,
})

const START = '/account'
const OWN_PAGES = /^\/(account|admin)(\/[\w/-]*)?$/

/**
 * Where to go after a sign-in: always to a page of this app for signed-in users, whatever the address
 * contains.
 */
export function nextPage(req: Request): string {
  const { next } = req.query
  return typeof next === 'string' && OWN_PAGES.test(next) ? next : START
}

export const withNext = (page: string, next: string): string =>
  next === START ? page : `${page}?next=${encodeURIComponent(next)}`

/**
 * The page that was asked for, or the page of the form that was sent. Except for three forms, both have the
 * same address.
 */
export function pageOfForm(req: Request): string {
  // Not `originalUrl`: HTTP allows the whole address of another site there.
  const path = req.baseUrl + req.path
  if (path === '/sign-in') return withNext(path, nextPage(req))
  const page = path.replace(/\/(not-me)?$/, '').replace(/^\/admin\/users\/[^/]+\/role$/, '/admin')
  return OWN_PAGES.test(page) ? withNext(page, nextPage(req)) : START
}
