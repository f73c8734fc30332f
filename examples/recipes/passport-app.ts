/** Passport: the store finds `session.passport.user` by itself, so that sign-in and logout need nothing but Passport. */
import express, { type ErrorRequestHandler, type RequestHandler } from 'express'
import session from 'express-session'
import passport from 'passport'
import { Strategy } from 'passport-local'
import type { UserSessionStore } from 'redis-user-sessions'

declare global {
  namespace Express {
    interface User {
      id: string
      name: string
    }
  }
}

/** In place of your users. */
export type Users = {
  withPassword(name: string, password: string): Promise<Express.User | null>
  byId(id: string): Promise<Express.User | null>
}

export function passportApp(store: UserSessionStore, users: Users, secret: string): express.Express {
  const authenticator = new passport.Passport()
  authenticator.use(
    new Strategy((name, password, done) => {
      users.withPassword(name, password).then((user) => done(null, user ?? false), done)
    }),
  )
  // A string or a number here becomes the user id of the session.
  authenticator.serializeUser<string>((user, done) => done(null, user.id))
  authenticator.deserializeUser<string>((id, done) => {
    users.byId(id).then((user) => done(null, user ?? false), done)
  })

  const app = express()
  const cookie = { maxAge: 3_600_000, sameSite: 'lax', secure: 'auto' } as const
  app.use(session({ store, secret, resave: false, saveUninitialized: false, cookie }))
  app.use(express.urlencoded())
  app.use(authenticator.session())

  // Passport regenerates the session on sign-in and on logout. Leave its option `keepSessionInfo` off. It copies what the
  // session before held. That may be another user's, or out of date.
  app.post('/sign-in', authenticator.authenticate('local'), (req, res) => {
    res.type('text').send(`Hello ${req.user?.name}`) // as text: a name may contain HTML
  })
  app.post('/sign-out', (req, res, next) => {
    req.logout((error) => (error ? next(error) : res.send('Bye')))
  })

  const onlyUsers: RequestHandler = (req, res, next) => {
    if (req.user) return next()
    res.sendStatus(401)
  }
  app.get('/devices', onlyUsers, async (req, res) => {
    const sessions = await store.userSessions(req.user?.id as string)
    res.json(sessions.map(({ handle, expires }) => ({ handle, expires })))
  })
  app.post('/sign-out-others', onlyUsers, async (req, res) => {
    res.json({ signedOut: await store.destroyUser(req.user?.id as string, { except: req.sessionID }) })
  })

  // When Redis or your database is down, no user is signed out: answer 503, not 401.
  const onError: ErrorRequestHandler = (error, _req, res, next) => {
    console.error(error.code ?? error)
    if (res.headersSent) return next(error)
    res.sendStatus(error.status ?? 503)
  }
  app.use(onError)
  return app
}
