/** WebSockets with `ws`: a connection belongs to a session, and closes when that is revoked, in whichever process. */
import { type Server, ServerResponse } from 'node:http'
import type { Request, RequestHandler, Response } from 'express'
import type { UserSessionStore } from 'redis-user-sessions'
import { type WebSocket, WebSocketServer } from 'ws'

/** The code of a connection whose session is over: from 4000 on, codes are the app's own. */
export const SESSION_OVER = 4401

const CHECK_EVERY_MS = 60_000

type Connected = { userId: string; sessionId: string }

/** `sessions` is what `session({ store, … })` returned; `origin` is what a browser says of your own pages. */
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
    // Browsers send cookies with WebSockets from any page: only the origin tells whose page it is.
    if (req.headers.origin !== origin) return refuse('403 Forbidden')
    // Nothing is ever sent with this response: the session is loaded, and neither saved nor touched.
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

  // Finds sessions that have expired, which nobody announces, and those whose message got lost.
  const check = setInterval(() => store.checkRevoked().catch(console.error), CHECK_EVERY_MS)
  check.unref()
  sockets.on('close', () => clearInterval(check))
  return sockets
}
