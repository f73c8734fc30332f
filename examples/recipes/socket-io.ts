/** Socket.IO: a connection belongs to a session, and is disconnected when any process revokes that session. */
import type { Server as HttpServer } from 'node:http'
import type { Request, RequestHandler } from 'express'
import type { UserSessionStore } from 'redis-user-sessions'
import { Server } from 'socket.io'

const CHECK_EVERY_MS = 60_000

/**
 * `sessions` is the result of `session({ store, … })`. `origin` is that of your own pages, such as
 * `https://app.example`.
 */
export function socketIo(
  server: HttpServer,
  store: UserSessionStore,
  sessions: RequestHandler,
  origin: string,
): Server {
  const io = new Server(server, {
    // Browsers send cookies with WebSockets from any page. Only the origin tells which page it is. Your own page polls without one.
    allowRequest: ({ headers }, decide) => decide(null, !headers.origin || headers.origin === origin),
  })

  // Once for each connection, not for each of its requests.
  const unloaded = new WeakSet<object>()
  io.engine.use((req: Request & { _query: { sid?: string } }, res: never, next: () => void) => {
    if (req._query.sid !== undefined) return next()
    sessions(req, res, (error) => {
      // Engine.IO would answer with the error's properties.
      if (error) unloaded.add(req)
      next()
    })
  })

  io.use((socket, next) => {
    // When Redis is down, no user is signed out: do not redirect the user to the sign-in page.
    if (unloaded.has(socket.request)) return next(new Error('Try again later'))
    const { session } = socket.request as Request
    next(session?.userId ? undefined : new Error('Sign in first'))
  })

  io.on('connection', (socket) => {
    const { session, sessionID } = socket.request as Request
    socket.join(`user ${session.userId}`)
    const takeBack = store.onRevoked(sessionID, () => {
      socket.emit('session over')
      socket.disconnect(true)
    })
    socket.on('disconnect', takeBack)
  })

  // Finds sessions that have expired, because an expiry is not announced. It also finds sessions whose
  // message got lost.
  const check = setInterval(() => store.checkRevoked().catch(console.error), CHECK_EVERY_MS)
  check.unref()
  io.engine.on('close', () => clearInterval(check))
  return io
}
