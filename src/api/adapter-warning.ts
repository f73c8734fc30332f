/**
 * Some libraries pass the store session objects of their own. Without an adapter, every save of such an object creates
 * a session.
 */

const warned = new WeakSet<object>()

/** Warns once if this session object belongs to a library that needs an adapter. */
export function warnOfMissingAdapter(store: object, session: object): void {
  const adapter = adapterFor(session)
  if (adapter === undefined || warned.has(store)) return
  warned.add(store)
  process.emitWarning(
    `without its adapter, ${adapter.library} brings revoked sessions back: use ${adapter.use}`,
    'RedisUserSessionsWarning',
  )
}

interface Adapter {
  library: string
  use: string
}

function adapterFor(session: object): Adapter | undefined {
  if ('encryptedSessionId' in session && !Object.hasOwn(session, 'encryptedSessionId')) {
    return { library: '@fastify/session', use: 'fastifySessionStore of redis-user-sessions/fastify' }
  }
  if ('header' in session && Object.keys(session).join() === 'header,data,cookie') {
    const use = 'openidConnectStore of redis-user-sessions/express-openid-connect'
    return { library: 'express-openid-connect', use }
  }
  return undefined
}
