import { createServer } from 'node:http'
import { promisify } from 'node:util'
import session from 'express-session'
import { UserSessionStore } from 'redis-user-sessions'
import { connect } from './shared/node-redis.mjs'

const store = new UserSessionStore({ client: await connect() })
const withSession = session({
  store,
  secret: process.env.SESSION_SECRET,
  resave: false,
  saveUninitialized: false,
})

const server = createServer((req, res) => {
  withSession(req, res, (error) => {
    const answered = error ? Promise.reject(error) : answer(req, res)
    answered.catch((error) => {
      console.error(error)
      res.writeHead(500).end()
    })
  })
})
server.listen(Number(process.env.PORT), '127.0.0.1')

async function answer(req, res) {
  const [, page, user] = req.url.split('/')
  if (page === 'sign-in') {
    await promisify(req.session.regenerate).call(req.session)
    req.session.userId = user
    return res.writeHead(204).end()
  }
  const { userId } = req.session
  if (!userId) return res.writeHead(401).end()
  if (page === 'devices') {
    const sessions = await store.userSessions(userId)
    return json(
      res,
      sessions.map(({ handle }) => ({ handle })),
    )
  }
  json(res, { signedOut: await store.destroyUser(userId, { except: req.sessionID }) })
}

function json(res, body) {
  res.setHeader('content-type', 'application/json')
  res.end(JSON.stringify(body))
}
