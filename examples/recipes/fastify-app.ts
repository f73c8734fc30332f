/** Fastify: the adapter lets `@fastify/session` use the store. */
import fastifyCookie from '@fastify/cookie'
import fastifySession from '@fastify/session'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import type { UserSessionStore } from 'redis-user-sessions'
import { fastifySessionStore } from 'redis-user-sessions/fastify'

declare module 'fastify' {
  interface Session {
    userId?: string
  }
}

export function fastifyApp(store: UserSessionStore, secret: string): FastifyInstance {
  const app = fastify()
  app.register(fastifyCookie)
  app.register(fastifySession, {
    store: fastifySessionStore(store),
    secret, // at least 32 characters
    saveUninitialized: false,
    cookie: { maxAge: 3_600_000, sameSite: 'lax', secure: 'auto' },
  })

  // In place of your sign-in, which checks a password.
  app.post<{ Params: { name: string } }>('/sign-in/:name', async (request) => {
    await request.session.regenerate()
    request.session.userId = request.params.name
    return `Hello ${request.params.name}`
  })

  const onlyUsers = async (request: FastifyRequest, reply: FastifyReply) => {
    if (!request.session.userId) await reply.code(401).send('Sign in first')
  }
  app.get('/devices', { preHandler: onlyUsers }, async ({ session }) => {
    const sessions = await store.userSessions(session.userId as string)
    return sessions.map(({ handle, lastActive }) => ({ handle, lastActive }))
  })
  app.post('/sign-out-others', { preHandler: onlyUsers }, async ({ session }) => {
    return { signedOut: await store.destroyUser(session.userId as string, { except: session.sessionId }) }
  })
  return app
}
