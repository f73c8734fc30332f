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

/** `sessionId` is that of the session after this answer; none if nobody is signed in any more. */
export type Answer = { to: string; flash?: Flash; sessionId?: string }

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
  const answer = { to, flash, sessionId }
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
