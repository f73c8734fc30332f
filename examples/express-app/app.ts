/**
 * The example app, ready to listen (see server.ts). It works without JavaScript in the browser, and no page
 * of it contains a session id.
 */
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import cookieParser from 'cookie-parser'
import { Eta } from 'eta'
import express, { type Express, type RequestHandler } from 'express'
import helmet from 'helmet'
import type { UserSessionStore } from 'redis-user-sessions'
import { noteDeviceOfUser, requireAdmin, requireUser, whoIsIt } from './access.ts'
import { flashes } from './answers.ts'
import { nameBrowser } from './browser.ts'
import { Changes } from './changes.ts'
import { handleError, PageError } from './errors.ts'
import { csrfProtection, takeOnce } from './forms.ts'
import { History } from './history.ts'
import { passwordLimits } from './limits.ts'
import { type Notify, printNotice } from './notices.ts'
import { type DescribePlace, describeKnownPlace } from './places.ts'
import { accountRoutes } from './routes/account.ts'
import { adminRoutes } from './routes/admin.ts'
import { confirmRoutes } from './routes/confirm.ts'
import { liveRoutes } from './routes/live.ts'
import { passwordRoutes } from './routes/password.ts'
import { sessionRoutes } from './routes/session.ts'
import { signInRoutes } from './routes/sign-in.ts'
import { replaceCorruptSession, sessions } from './session.ts'
import { MAX_DEVICES, PREFIX, type Redis } from './store.ts'
import type { NewUser, Users } from './users.ts'
import { count, exactTime, timeInWords } from './words.ts'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export type AppOptions = {
  store: UserSessionStore
  /** For the app's own keys: forms that were accepted, and the history. */
  client: Redis
  /** Passes on changes from process to process. */
  subscriber?: Redis
  prefix?: string
  /** Signs the cookies. A person who knows it can forge them. */
  secret: string
  users: Users
  /** Where users reach this app, for links in mails. Never take it from a request: its sender chooses the `Host`. */
  publicUrl: string
  describePlace?: DescribePlace
  notify?: Notify
  /** The sign-in page shows their names and passwords. For a demonstration only. */
  demoUsers?: readonly NewUser[]
}

/** The parts that all routes share. */
export type Shared = Required<
  Pick<AppOptions, 'store' | 'users' | 'publicUrl' | 'describePlace' | 'notify'>
> & {
  history: History
  changes: Changes
  /** Checks the token of a form. */
  protect: RequestHandler
  passwordLimits: RequestHandler[]
}

export function createApp(options: AppOptions): Express {
  const { store, client, subscriber, secret, users, publicUrl, demoUsers = [], prefix = PREFIX } = options
  const { describePlace = describeKnownPlace, notify = printNotice } = options
  const { tokens, protect } = csrfProtection(secret)
  const shared: Shared = {
    ...{ store, users, publicUrl, describePlace, notify },
    history: new History(client, store, prefix, describePlace),
    changes: new Changes(client, subscriber, `${prefix}changes`),
    protect,
    passwordLimits: passwordLimits(),
  }
  const app = express()

  // Believe X-Forwarded-For and X-Forwarded-Proto of a proxy on this machine only.
  app.set('trust proxy', 'loopback')

  const views = here('views')
  const eta = new Eta({ views, cache: true })
  app.engine('eta', (file, data, done) => done(null, eta.render(basename(file, '.eta'), data)))
  app.set('views', views)
  app.set('view engine', 'eta')
  Object.assign(app.locals, { count, exactTime, timeInWords, demoUsers, MAX_DEVICES })

  app.use(securityHeaders())
  app.use(express.static(here('public'), { redirect: false, maxAge: '1h' }))

  // From here on pages are personal: a browser must not show them again after signing out.
  app.use((_req, res, next) => {
    res.set('Cache-Control', 'no-store')
    next()
  })
  app.use(cookieParser(secret), flashes, nameBrowser, tokens)
  app.use(express.urlencoded({ extended: false, limit: '10kb' }))
  app.use(sessions(store, secret), replaceCorruptSession)
  app.use(whoIsIt(users))
  app.use(takeOnce(client, prefix))

  app.get('/', (_req, res) => res.redirect('/account'))
  app.use('/', signInRoutes(shared))
  app.use('/account', liveRoutes(shared))
  // Not before: the script of an open page asks often, and changes nothing in the session.
  app.use(noteDeviceOfUser)
  app.use('/account', requireUser, protect)
  app.use(
    '/account',
    accountRoutes(shared),
    sessionRoutes(shared),
    passwordRoutes(shared),
    confirmRoutes(shared),
  )
  app.use('/admin', requireUser, requireAdmin, protect, adminRoutes(shared))

  app.use((_req, _res, next) => next(new PageError(404)))
  app.use(handleError, handleError)
  return app
}

/** Scripts of our own, no frames, nothing from elsewhere. */
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
