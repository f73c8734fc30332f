/**
 * The example app, ready to listen: see server.ts. It works without JavaScript in the browser, and no page of it
 * contains a session id.
 */
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Eta } from 'eta'
import express, {
  type ErrorRequestHandler,
  type Express,
  type Request,
  type RequestHandler,
  type Response,
} from 'express'
import { ipKeyGenerator, rateLimit } from 'express-rate-limit'
import helmet from 'helmet'
// In your app: from 'redis-user-sessions'
import type { UserSessionStore } from '../../src/index.ts'
import { csrfProtection, field, requireAdmin, requireUser, sessionForPages, whoIsIt } from './access.ts'
import { accountRoutes } from './routes/account.ts'
import { adminRoutes } from './routes/admin.ts'
import { liveRoutes } from './routes/live.ts'
import { passwordRoutes } from './routes/password.ts'
import { signInRoutes } from './routes/sign-in.ts'
import { addressOf, replaceCorruptSession, sessions } from './session.ts'
import { type NewUser, normalName, type Users } from './users.ts'
import { count, exactTime, timeInWords } from './words.ts'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export type AppOptions = {
  store: UserSessionStore
  /** Signs the session cookie; whoever knows it can forge one. */
  secret: string
  users: Users
  /** Whose names and passwords the sign-in page gives away: for a demonstration only. */
  demoUsers?: readonly NewUser[]
}

export function createApp({ store, secret, users, demoUsers = [] }: AppOptions): Express {
  const app = express()
  const shared = { store, users, passwordLimits: passwordLimits() }

  // Believe X-Forwarded-For and X-Forwarded-Proto of a proxy on this machine only.
  app.set('trust proxy', 'loopback')

  const views = here('views')
  const eta = new Eta({ views, cache: true })
  app.engine('eta', (file, data, done) => done(null, eta.render(basename(file, '.eta'), data)))
  app.set('views', views)
  app.set('view engine', 'eta')
  Object.assign(app.locals, { count, exactTime, timeInWords, demoUsers })

  app.use(securityHeaders())
  app.use(express.static(here('public'), { redirect: false, maxAge: '1h' }))

  // From here on pages are personal: a browser must not show them again after signing out.
  app.use((_req, res, next) => {
    res.set('Cache-Control', 'no-store')
    next()
  })
  app.use(sessions(store, secret), replaceCorruptSession)
  app.use(express.urlencoded({ extended: false, limit: '10kb' }))
  app.use(sessionForPages, whoIsIt(users))

  app.get('/', (_req, res) => res.redirect('/account'))
  app.use('/', signInRoutes(shared))
  app.use('/account', liveRoutes(shared))
  app.use('/account', requireUser, csrfProtection, accountRoutes(shared), passwordRoutes(shared))
  app.use('/admin', requireUser, requireAdmin, csrfProtection, adminRoutes(shared))

  app.use((_req, res) => {
    res.status(404).render('error', errorPage(404))
  })
  app.use(handleError)
  return app
}

/** What the routes share. */
export type Shared = { store: UserSessionStore; users: Users; passwordLimits: RequestHandler[] }

/** One script of our own, no frames, nothing from elsewhere. */
function securityHeaders() {
  return helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        connectSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'"],
        formAction: ["'self'"],
        baseUri: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
  })
}

/**
 * Wrong passwords in a quarter of an hour: twenty from one address, and fifty for one account from all addresses together.
 * They come after the check of the CSRF token: else any page could use up a visitor's attempts with forms of its own.
 */
function passwordLimits(): RequestHandler[] {
  const limits = {
    windowMs: 15 * 60_000,
    skipSuccessfulRequests: true,
    legacyHeaders: false,
    handler: (_req: Request, res: Response) => res.status(429).render('error', errorPage(429)),
  }
  return [
    rateLimit({ ...limits, limit: 20, standardHeaders: 'draft-8', keyGenerator: address }),
    rateLimit({ ...limits, limit: 50, standardHeaders: false, keyGenerator: account }),
  ]
}

/** Of IPv6 the network: its owner has all addresses in it. */
const address = (req: Request): string => ipKeyGenerator(addressOf(req) ?? '')

/** Whoever is signed in has attempts of his own, which strangers who guess at the sign-in page cannot use up. */
function account(req: Request, res: Response): string {
  const { user } = res.locals
  return user ? `id ${user.id}` : `name ${normalName(field(req, 'name')).slice(0, 100)}`
}

const ERRORS: Record<number, { title: string; text: string }> = {
  403: { title: 'Not allowed', text: 'Your role does not give you access to this page.' },
  404: { title: 'Page not found', text: 'There is nothing at this address.' },
  429: { title: 'Too many attempts', text: 'Wait a quarter of an hour, then try again.' },
  503: { title: 'Something went wrong', text: 'That is our fault, not yours. Please try again in a moment.' },
}
const OUTDATED = {
  title: 'This page was out of date',
  text: 'Nothing was changed. Go back and try once more.',
}
const UNUSABLE = { title: 'That did not work', text: 'The request was not one that this app understands.' }

const errorPage = (status: number) => ({ status, ...(ERRORS[status] ?? UNUSABLE) })

/** Says what a visitor can do about it; what happened goes to the log. */
const handleError: ErrorRequestHandler = (error, _req, res, next) => {
  if (res.headersSent) return next(error)
  // Mostly Redis is away. Then nobody is signed out, so do not send anybody to the sign-in page.
  const status = error?.status >= 400 && error.status < 500 ? error.status : 503
  if (status === 503) console.error(error?.code ?? error)
  const page = error?.code === 'EBADCSRFTOKEN' ? { status, ...OUTDATED } : errorPage(status)
  res.status(status).render('error', page)
}
