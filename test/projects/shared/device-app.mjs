// An Express app on a store. It signs in every user who asks, lists a user's devices, and signs out the others.
import { once } from 'node:events'
import { createServer } from 'node:http'
import express from 'express'
import session from 'express-session'

export function deviceApp(store) {
  const app = express()
  app.use(session({ store, secret: process.env.SESSION_SECRET, resave: false, saveUninitialized: false }))
  app.post('/sign-in/:userId', (req, res, next) => {
    req.session.regenerate((error) => {
      if (error) return next(error)
      Object.assign(req.session, { userId: req.params.userId, browser: req.get('user-agent') })
      req.session.save((error) => (error ? next(error) : res.sendStatus(204)))
    })
  })
  const onlyUsers = (req, res, next) => (req.session.userId ? next() : res.sendStatus(401))
  app.get('/devices', onlyUsers, (req, res, next) => {
    store.userSessions(req.session.userId).then((sessions) => res.json(sessions.map(deviceOf)), next)
  })
  app.post('/sign-out-others', onlyUsers, (req, res, next) => {
    store
      .destroyUser(req.session.userId, { except: req.sessionID })
      .then((signedOut) => res.json({ signedOut }), next)
  })
  return app
}

function deviceOf({ handle, data }) {
  return { handle, browser: data.browser }
}

/** Serves on PORT, else on a free port; resolves to the server and its URL. */
export async function serve(listener, port = Number(process.env.PORT ?? 0)) {
  const server = createServer(listener).listen(port, '127.0.0.1')
  await once(server, 'listening')
  return { server, url: `http://127.0.0.1:${server.address().port}` }
}
