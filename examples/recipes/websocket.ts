/** WebSockets with `ws`: a connection belongs to a session, and closes when any process revokes that session. */
import { type Server, ServerResponse } from 'node:http'
import type { Request, RequestHandler, Response } from 'express'
import type { UserSessionStore } from 'redis-user-sessions'
import { type WebSocket, WebSocketServer } from 'ws'

/** The close code for a session that is over. Codes from 4000 on are the app's own. */
export const SESSION_OVER = 4401

const CHECK_EVERY_MS = 60_000

type Connected = { userId: string; sessionId: string }

/**
 * `sessions` is the result of `session({ store, … })`. `origin` is that of your own pages, such as
 * `https://app.example`.
 */
export function webSockets(
  server: Server,
  store: UserSessionStore,
  sessions: RequestHandler,
  origin: string,
  connected: (socket: WebSocket, who: Connected) => void,
): WebSocketServer {
  const sockets = new WebSocketServer({ noServer: true })

  server.on('upgrade', (req, socket, head) => {
    socket.on('error', () => socket.destroy())
    const refuse = (status: string) => socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`)
    // Browsers send cookies with WebSockets from any page. Only the origin tells which page it is.
    if (req.headers.origin !== origin) return refuse('403 Forbidden')
    // Nothing is ever sent with this response, so the session is loaded, but neither saved nor touched.
    const unused = new ServerResponse(req) as Response
    sessions(req as Request, unused, (error) => {
      if (error) return refuse('503 Service Unavailable')
      const { session, sessionID: sessionId } = req as Request
      const { userId } = session
      if (!userId) return refuse('401 Unauthorized')
      sockets.handleUpgrade(req, socket, head, (webSocket) => {
        const takeBack = store.onRevoked(sessionId, () =>
          webSocket.close(SESSION_OVER, 'The session is over'),
        )
        webSocket.on('close', takeBack)
        webSocket.on('error', () => webSocket.terminate())
        connected(webSocket, { userId, sessionId })
      })
    })
  })

  // Finds sessions that have expired, because an expiry is not announced. It also finds sessions whose
  // message got lost.
  const check = setInterval(() => store.checkRevoked().catch(console.error), CHECK_EVERY_MS)
  check.unref()
  sockets.on('close', () => clearInterval(check))
  return sockets
}
