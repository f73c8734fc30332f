import { randomBytes } from 'node:crypto'
import express, { type ErrorRequestHandler, type RequestHandler } from 'express'
import session from 'express-session'
import { createClient } from 'redis'
import { UserSessionStore } from 'redis-user-sessions'

declare module 'express-session' {
  interface SessionData {
    userId?: string
    browser?: string
  }
}

const client = createClient({ url: process.env.REDIS_URL })
client.on('error', (error) => console.error(error))
await client.connect()

const store = new UserSessionStore({ client })
const app = express()

app.use(
  session({
    store,
    // Without SESSION_SECRET, a restart signs everybody out.
    secret: process.env.SESSION_SECRET || randomBytes(32).toString('base64url'),
    resave: false,
    saveUninitialized: false,
    cookie: { maxAge: 24 * 60 * 60 * 1000, sameSite: 'lax', secure: 'auto' },
  }),
)

// In place of your sign-in, which checks a password.
app.post('/sign-in/:userId', (req, res, next) => {
  req.session.regenerate((error) => {
    if (error) return next(error)
    req.session.userId = req.params.userId
    req.session.browser = req.get('user-agent')
    res.sendStatus(204)
  })
})

const onlyUsers: RequestHandler = (req, res, next) => {
  if (req.session.userId) return next()
  res.sendStatus(401)
}

app.get('/devices', onlyUsers, async (req, res) => {
  const sessions = await store.userSessions(req.session.userId as string)
  res.json(
    sessions.map(({ sessionId, handle, data, lastActive }) => ({
      handle,
      browser: data.browser,
      lastActive,
      thisDevice: sessionId === req.sessionID,
    })),
  )
})

app.post('/devices/:handle/sign-out', onlyUsers, async (req, res) => {
  const found = await store.destroyUserSession(req.session.userId as string, String(req.params.handle))
  res.sendStatus(found ? 204 : 404)
})

app.post('/sign-out-others', onlyUsers, async (req, res) => {
  const signedOut = await store.destroyUser(req.session.userId as string, { except: req.sessionID })
  res.json({ signedOut })
})

// When Redis is down, no user is signed out: answer 503, not 401. Tell the browser nothing about the error.
const onError: ErrorRequestHandler = (error, _req, res, next) => {
  console.error(error.code ?? error)
  if (res.headersSent) return next(error)
  res.sendStatus(error.status ?? 503)
}
app.use(onError)

const port = Number(process.env.PORT || 3000)
app.listen(port, () => console.log(`http://localhost:${port}`))
