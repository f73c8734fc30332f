// The adapters fit their libraries without casts.
import fastifyCookie from '@fastify/cookie'
import fastifySession from '@fastify/session'
import { auth } from 'express-openid-connect'
import { fastify } from 'fastify'
import type { UserSessionStore } from 'redis-user-sessions'
import { openidConnectStore } from 'redis-user-sessions/express-openid-connect'
import { fastifySessionStore } from 'redis-user-sessions/fastify'

declare module 'fastify' {
  interface Session {
    /** Without a question mark, as many apps declare it. */
    account: string
  }
}

export function use(store: UserSessionStore): void {
  const app = fastify()
  app.register(fastifyCookie)
  app.register(fastifySession, { secret: 'a secret', store: fastifySessionStore(store) })
  const adapted = openidConnectStore(store)
  auth({ session: { store: adapted }, backchannelLogout: { store: adapted } })
}
