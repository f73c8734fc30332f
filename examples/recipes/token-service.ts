/** A service without Express. Its bearer tokens belong to a user, are listed beside the user's browsers, and can be revoked. */
import { createServer, type IncomingMessage } from 'node:http'
import { createSession, deleteSession, readSession, type SessionClient } from 'redis-user-sessions'

const DAY = 24 * 60 * 60 * 1000

export function issueToken(client: SessionClient, userId: string): Promise<string> {
  const expires = new Date(Date.now() + 30 * DAY).toISOString()
  return createSession({ client, data: { userId, expires, kind: 'token' } })
}

export function revokeToken(client: SessionClient, token: string): Promise<void> {
  return deleteSession({ client, sessionId: token })
}

export function tokenService(client: SessionClient) {
  return createServer(async (req, res) => {
    try {
      const token = bearerToken(req)
      const session = token ? await readSession<{ kind?: string }>({ client, sessionId: token }) : null
      // A browser's session has no `kind`: its id does not pass for a token.
      if (session?.kind !== 'token') return res.writeHead(401).end('No valid token')
      res.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8' }).end(`Hello ${session.userId}`)
    } catch {
      // Redis is down, and no user is signed out. The error may contain the token, so this does not log it.
      res.writeHead(503).end('Try again later')
    }
  })
}

function bearerToken({ headers }: IncomingMessage): string | undefined {
  return /^Bearer (\S+)$/.exec(headers.authorization ?? '')?.[1]
}
