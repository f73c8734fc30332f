/** Express apps of a few lines for tests over HTTP. */
import { createHmac } from 'node:crypto'
import express, { type Express, type Request, type Response } from 'express'
import session, { type SessionOptions } from 'express-session'
import request from 'supertest'
import type { UserSessionStore } from '../../src/index.ts'
import type { Fields } from './sessions.ts'

export const SECRET = 'a secret of the tests'

export type Handler = (req: Request, res: Response) => unknown
export type Routes = Record<string, Handler>

/** Answers `GET` on these paths. An error is answered with status 500 and its message. */
export function appWith(
  store: UserSessionStore,
  routes: Routes,
  options: Partial<SessionOptions> = {},
): Express {
  const app = express()
  app.set('trust proxy', true)
  app.use(session({ store, secret: SECRET, resave: false, saveUninitialized: false, ...options }))
  for (const [path, handler] of Object.entries(routes)) app.get(path, handler)
  app.use((error: Error, _req: Request, res: Response, next: (error: Error) => void) => {
    if (res.headersSent) return next(error)
    res.status(500).json({ error: error.message })
  })
  return app
}

/** A browser: it keeps cookies between requests. */
export function browser(app: Express) {
  return request.agent(app)
}

/** `req.session`, open to any property. */
export function sessionOf(req: Request): Request['session'] & Fields {
  return req.session as Request['session'] & Fields
}

/** Returns the session id in the cookie of a response, or `undefined` if it sets none. */
export function sessionIdIn(response: { headers: Record<string, unknown> }): string | undefined {
  const [header] = (response.headers['set-cookie'] as string[] | undefined) ?? []
  const match = /connect\.sid=s%3A([^.]+)\./.exec(header ?? '')
  return match?.[1] && decodeURIComponent(match[1])
}

/** The signed cookie with which a browser names this session. */
export function cookieFor(sessionId: string): string {
  const signature = createHmac('sha256', SECRET).update(sessionId).digest('base64').replace(/=+$/, '')
  return `connect.sid=${encodeURIComponent(`s:${sessionId}.${signature}`)}`
}
