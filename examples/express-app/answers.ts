/** The answer to every form: a redirect, so that reloading and going back ask for no form again, and a message for the next page. */
import type { Request, RequestHandler, Response } from 'express'

/** What the next page says, at its top and beside its fields. It never holds a password. */
export type Flash = {
  kind: 'success' | 'error'
  text: string
  /** What is wrong with a field, by its name. */
  problems?: Record<string, string>
  /** What had been typed, by the field's name. */
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

/** Reads the message. The page that shows it takes it: until then it stays. */
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

/** Where to go on after a sign-in: to a page of this app that only users see, whatever the address says. */
export function nextPage(req: Request): string {
  const { next } = req.query
  return typeof next === 'string' && OWN_PAGES.test(next) ? next : START
}

export const withNext = (page: string, next: string): string =>
  next === START ? page : `${page}?next=${encodeURIComponent(next)}`

/** The page that was asked for, or the one whose form was sent: at the same address, but for three forms. */
export function pageOfForm(req: Request): string {
  // Not `originalUrl`: HTTP allows the whole address of another site there.
  const path = req.baseUrl + req.path
  if (path === '/sign-in') return withNext(path, nextPage(req))
  const page = path.replace(/\/(not-me)?$/, '').replace(/^\/admin\/users\/[^/]+\/role$/, '/admin')
  return OWN_PAGES.test(page) ? withNext(page, nextPage(req)) : START
}
