/** Shows a visitor what to do about an error. The error itself goes to the log, and not to the page. */
import type { ErrorRequestHandler, Request, Response } from 'express'
import { answer, pageOfForm, problem } from './answers.ts'

/** Ends a request with an error page. */
export class PageError extends Error {
  readonly status: number

  constructor(status: number) {
    super(`Answered with ${status}`)
    this.status = status
  }
}

const PAGES: Record<number, { title: string; text: string }> = {
  403: { title: 'Not allowed', text: 'Your account does not allow this. Nothing was changed.' },
  404: { title: 'Page not found', text: 'There is nothing at this address.' },
  503: {
    title: 'Please try again in a moment',
    text: 'We cannot reach our sessions right now. You are still signed in.',
  },
}
const UNUSABLE = { title: 'That did not work', text: 'The request was not one that this app understands.' }

const RETRY_AFTER_SECONDS = 5

/** Use it twice: express-session passes on a second error, if it cannot save the session of a page that failed. */
export const handleError: ErrorRequestHandler = async (error, req, res, next) => {
  if (res.headersSent) return next(error)
  if (error?.code === 'EBADCSRFTOKEN' && req.body?._csrf) return outdated(req, res)
  // Usually Redis is down. Then no user is signed out, so do not redirect to the sign-in page.
  const status = error?.status >= 400 && error.status < 500 ? error.status : 503
  if (status === 503) {
    console.error(error?.code ?? error)
    res.set('Retry-After', String(RETRY_AFTER_SECONDS))
  }
  await Promise.resolve(res.locals.forget?.()).catch(() => {})
  const retry = status === 503 ? pageOfForm(req) : undefined
  res.status(status).render('error', { status, retry, ...(PAGES[status] ?? UNUSABLE) })
}

/**
 * The form comes from a page that is older than a sign-in or sign-out, or was open too long. The new page
 * has a new form.
 */
function outdated(req: Request, res: Response): Promise<void> {
  return answer(
    req,
    res,
    pageOfForm(req),
    problem('This page was out of date. Nothing was changed. Please try again.'),
  )
}
