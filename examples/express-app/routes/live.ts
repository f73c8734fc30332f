/**
 * Server-sent events: a page hears that the user's devices or role have changed, or that its own session has
 * ended.
 */
import { type RequestHandler, type Response, Router } from 'express'
import type { UserSessionStore } from 'redis-user-sessions'
import { userOf } from '../access.ts'
import type { Shared } from '../app.ts'
import type { Changes } from '../changes.ts'
import { devicesOf, grouped } from '../devices.ts'

/** In ms. Proxies cut a connection that is silent for long. */
const BEAT = 30_000

export function liveRoutes({ store, changes, describePlace }: Shared): Router {
  const router = Router()
  const pages = new Pages()
  keepUp(store, changes, pages)

  /** A page asks this when its events end: 200 means still signed in, 401 signed out, 503 unknown. */
  router.get('/state', onlyUsers, (_req, res) => {
    res.json({ role: res.locals.role })
  })

  /** The list alone. */
  router.get('/devices', onlyUsers, async (req, res) => {
    const devices = await devicesOf(store, describePlace, userOf(res).id, req.sessionID)
    res.render('devices', { devices, groups: grouped(devices) })
  })

  router.get('/events', onlyUsers, (req, res) => {
    const { id } = userOf(res)
    // Gone while its session was being loaded: that will not be said again.
    if (res.closed) return
    res.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('retry: 1000\n\n')
    pages.add(id, res)
    const takeBack = store.onRevoked(req.sessionID, ({ reason }) => {
      pages.delete(id, res)
      // With "logout", this browser gets an answer to its own request, perhaps with a new session. Its other
      // pages ask again a moment later.
      if (reason !== 'logout') send(res, 'signed-out')
      res.end()
    })
    res.once('close', () => {
      pages.delete(id, res)
      takeBack()
    })
  })

  return router
}

/** A redirect to the sign-in page would use up the message there unseen. live.js asks for a page instead. */
const onlyUsers: RequestHandler = (_req, res, next) => {
  if (res.locals.user) return next()
  res.sendStatus(401)
}

/** Sends events to every open page. A timer does the rest, and does not keep the process alive. */
function keepUp(store: UserSessionStore, changes: Changes, pages: Pages): void {
  changes.listen(({ userId, what }) => {
    for (const page of pages.of(userId)) send(page, what)
  })
  // A new session is known to this process only, the end of one to all that have a subscriber.
  store.on('created', ({ userId }) => {
    if (userId !== null) changes.tell(userId, 'devices')
  })
  store.on('destroyed', ({ userId }) => {
    if (userId !== null) for (const page of pages.of(userId)) send(page, 'devices')
  })
  const beat = setInterval(() => {
    for (const page of pages.all()) page.write(':\n\n')
    // A session that expires is not announced, and a message may get lost.
    store.checkRevoked().catch((error) => console.error(error))
  }, BEAT)
  beat.unref()
}

function send(page: Response, event: 'devices' | 'role' | 'signed-out'): void {
  page.write(`event: ${event}\ndata: now\n\n`)
}

/** The pages that are open, by user. */
class Pages {
  readonly #open = new Map<string, Set<Response>>()

  add(userId: string, page: Response): void {
    this.#open.set(userId, new Set(this.of(userId)).add(page))
  }

  delete(userId: string, page: Response): void {
    const pages = new Set(this.of(userId))
    pages.delete(page)
    if (pages.size > 0) this.#open.set(userId, pages)
    else this.#open.delete(userId)
  }

  of(userId: string): Iterable<Response> {
    return this.#open.get(userId) ?? []
  }

  *all(): Iterable<Response> {
    for (const pages of this.#open.values()) yield* pages
  }
}
