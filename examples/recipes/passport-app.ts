/** Passport: the store finds `session.passport.user` by itself, so that sign-in and logout need nothing but Passport. */
import express, { type RequestHandler } from 'express'
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
  app.use(session({ store, secret, resave: false, saveUninitialized: false, cookie: { maxAge: 3_600_000 } }))
  app.use(express.urlencoded())
  app.use(authenticator.session())

  // Passport regenerates the session on sign-in and on logout.
  app.post('/sign-in', authenticator.authenticate('local'), (req, res) => res.send(`Hello ${req.user?.name}`))
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
  return app
}
