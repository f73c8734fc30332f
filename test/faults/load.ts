/** An Express app on a port of its own, and browsers that never stop asking it. */
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import express, { type Request, type Response } from 'express'
import session from 'express-session'
import type { UserSessionStore } from '../../src/index.ts'
import { type Routes, sessionOf } from '../support/app.ts'
import { eventually } from '../support/eventually.ts'

const PAUSE_MS = 5
/** A request that needs longer than this counts as never answered. */
const GIVE_UP_MS = 60_000

export type Answer = { browser: number; path: string; status: number; user: string; ms: number; at: number }

const PATHS = ['/visit', '/look', '/devices', '/anonymous']

/** Serves `store` while `work` runs, and then closes everything. */
export async function serving<T>(store: UserSessionStore, work: (site: Site) => Promise<T>): Promise<T> {
  const app = express()
  app.use(session({ store, secret: 'a secret of the tests', resave: false, saveUninitialized: false }))
  for (const [path, handler] of Object.entries(pages(store))) app.get(path, handler)
  // Twice: a page that fails, and then its session cannot be saved. Express would end the connection on the second error.
  app.use(errorPage, errorPage)
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  // Or it would close a connection in the very moment in which a browser uses it again.
  server.keepAliveTimeout = 0
  try {
    return await work(new Site(server))
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

function pages(store: UserSessionStore): Routes {
  return {
    '/sign-in': (req, res) => {
      Object.assign(sessionOf(req), { userId: req.query.user, visits: 0 })
      res.json({ user: req.query.user })
    },
    '/visit': (req, res) => {
      const session = sessionOf(req)
      if (session.userId) session.visits = Number(session.visits) + 1
      res.json({ user: session.userId })
    },
    '/look': (req, res) => res.json({ user: sessionOf(req).userId }),
    '/devices': async (req, res) => {
      const { userId } = sessionOf(req)
      const devices = userId ? await store.userSessions(userId as string) : []
      res.json({ user: userId, devices: devices.length })
    },
    '/anonymous': (_req, res) => res.json({}),
  }
}

/**
 * If a save fails, express-session has already sent the headers and will send the rest. There is nothing left to do.
 */
function errorPage(error: Error, _req: Request, res: Response, _next: (error: Error) => void): void {
  if (!res.headersSent) res.status(500).json({ error: error.message })
}

class Site {
  readonly answers: Answer[] = []
  readonly #browsers: Promise<void>[] = []
  readonly #url: string
  #open = true

  constructor(server: Server) {
    this.#url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  async signIn(user: string): Promise<string> {
    const response = await fetch(`${this.#url}/sign-in?user=${user}`)
    await response.arrayBuffer()
    const cookie = response.headers.get('set-cookie')?.split(';')[0]
    if (!cookie) throw new Error(`${user} could not sign in: status ${response.status}`)
    return cookie
  }

  async #ask(browser: number, path: string, cookie: string): Promise<Answer> {
    const at = performance.now()
    const response = await fetch(this.#url + path, {
      headers: { cookie },
      signal: AbortSignal.timeout(GIVE_UP_MS),
    })
    const { user = '' } = (await response.json()) as { user?: string }
    return { browser, path, status: response.status, user, ms: performance.now() - at, at }
  }

  /** Signs users in, and has each ask page after page until the end. */
  async browse(users: string[]): Promise<void> {
    const cookies = await Promise.all(users.map((user) => this.signIn(user)))
    for (const [browser, cookie] of cookies.entries()) this.#browsers.push(this.#browse(browser, cookie))
  }

  async #browse(browser: number, cookie: string): Promise<void> {
    for (let n = 0; this.#open; n++) {
      this.answers.push(await this.#ask(browser, PATHS[n % PATHS.length] as string, cookie))
      await pause(PAUSE_MS)
    }
  }

  /** Waits until this many more matching answers have arrived. */
  async until(what: string, count: number, looks: (answer: Answer) => boolean): Promise<void> {
    const start = this.answers.length
    await eventually(what, () => this.answers.slice(start).filter(looks).length >= count)
  }

  /** Waits until every browser has sent a request after this call and got a matching answer. */
  async untilEvery(what: string, looks: (answer: Answer) => boolean): Promise<void> {
    const start = performance.now()
    await eventually(`${what} for every browser`, () => {
      const answered = this.answers.filter((answer) => answer.at > start && looks(answer))
      return new Set(answered.map(({ browser }) => browser)).size === this.#browsers.length
    })
  }

  /** Ends the load. Rejects if a request was never answered. */
  async end(): Promise<void> {
    this.#open = false
    await Promise.all(this.#browsers)
  }

  get statuses(): Record<number, number> {
    const counts: Record<number, number> = {}
    for (const { status } of this.answers) counts[status] = (counts[status] ?? 0) + 1
    return counts
  }

  get slowest(): number {
    return Math.max(...this.answers.map(({ ms }) => ms))
  }
}

export type { Site }

export const served = ({ status }: Answer) => status === 200
export const refused = ({ status }: Answer) => status === 500

/** Answers to signed-in browsers that show a signed-out page. */
export function signedOut(site: Site): Answer[] {
  return site.answers.filter(
    ({ path, status, user }) => status === 200 && path !== '/anonymous' && user === '',
  )
}

/** No answer but pages and the error page. */
export function expectPagesAndErrors(site: Site): void {
  expect(Object.keys(site.statuses)).to.satisfy((all: string[]) =>
    all.every((status) => ['200', '500'].includes(status)),
  )
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
