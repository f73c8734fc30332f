import { promisify } from 'node:util'
import session from 'express-session'
import Koa from 'koa'
import connect from 'koa-connect'
import { UserSessionStore } from 'redis-user-sessions'
import * as redis from './shared/node-redis.mjs'

const store = new UserSessionStore({ client: await redis.connect() })
const app = new Koa()
app.use(
  connect(session({ store, secret: process.env.SESSION_SECRET, resave: false, saveUninitialized: false })),
)

// express-session keeps the session on Node's request, and its methods take callbacks.
app.use(async (ctx) => {
  const { req } = ctx
  const [, page, user] = ctx.path.split('/')
  if (page === 'sign-in') {
    await promisify(req.session.regenerate).call(req.session)
    req.session.userId = user
    ctx.status = 204
    return
  }
  const { userId } = req.session
  if (!userId) ctx.throw(401)
  if (page === 'devices') ctx.body = (await store.userSessions(userId)).map(({ handle }) => ({ handle }))
  if (page === 'sign-out-others') {
    ctx.body = { signedOut: await store.destroyUser(userId, { except: req.sessionID }) }
  }
})

app.listen(Number(process.env.PORT), '127.0.0.1')
