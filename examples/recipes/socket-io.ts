/** Socket.IO: a connection belongs to a session, and is disconnected when that is revoked, in whichever process. */
import type { Server as HttpServer } from 'node:http'
import type { Request, RequestHandler } from 'express'
import type { UserSessionStore } from 'redis-user-sessions'
import { Server } from 'socket.io'

const CHECK_EVERY_MS = 60_000

/** `sessions` is what `session({ store, … })` returned; `origin` is what a browser says of your own pages. */
export function socketIo(
  server: HttpServer,
  store: UserSessionStore,
  sessions: RequestHandler,
  origin: string,
): Server {
  const io = new Server(server, {
    // Browsers send cookies with WebSockets from any page: only the origin tells whose page it is. Your own page polls without one.
    allowRequest: ({ headers }, decide) => decide(null, !headers.origin || headers.origin === origin),
  })

  // Once for each connection, not for each of its requests.
  io.engine.use((req: Request & { _query: { sid?: string } }, res: never, next: () => void) => {
    if (req._query.sid === undefined) sessions(req, res, next)
    else next()
  })

  io.use((socket, next) => {
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

  // Finds sessions that have expired, which nobody announces, and those whose message got lost.
  const check = setInterval(() => store.checkRevoked().catch(console.error), CHECK_EVERY_MS)
  check.unref()
  io.engine.on('close', () => clearInterval(check))
  return io
}
