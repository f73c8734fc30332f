/** Server-sent events: a page hears when the user's devices have changed, and when its own session is over. */
import { type RequestHandler, type Response, Router } from 'express'
import type { UserSessionStore } from '../../../src/index.ts'
import { userOf } from '../access.ts'
import type { Shared } from '../app.ts'
import { devicesOf } from './account.ts'

/** In ms. A connection on which nothing comes for long is cut by proxies. */
const BEAT = 30_000

export function liveRoutes({ store }: Pick<Shared, 'store'>): Router {
  const router = Router()
  const pages = new Pages()
  keepUp(store, pages)

  /** The list alone. */
  router.get('/devices', onlyUsers, async (req, res) => {
    res.render('devices', { devices: await devicesOf(store, userOf(res).id, req.sessionID) })
  })

  router.get('/events', onlyUsers, (req, res) => {
    const { id } = userOf(res)
    // Gone while its session was being loaded: that will not be said again.
    if (res.closed) return
    res.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('retry: 1000\n\n')
    pages.add(id, res)
    const takeBack = store.onRevoked(req.sessionID, ({ reason }) => {
      pages.delete(id, res)
      // With "logout" this very browser gets an answer, perhaps with a new session: its other pages ask again a moment later.
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

/** Not the way to the sign-in page, which would show its message to nobody: live.js asks for a page instead. */
const onlyUsers: RequestHandler = (_req, res, next) => {
  if (res.locals.user) return next()
  res.sendStatus(401)
}

/** Events reach every page that is open; a timer does the rest, as long as anything else keeps the process busy. */
function keepUp(store: UserSessionStore, pages: Pages): void {
  const changed = ({ userId }: { userId: string | null }) => {
    if (userId !== null) for (const page of pages.of(userId)) send(page, 'devices')
  }
  store.on('created', changed)
  store.on('destroyed', changed)
  const beat = setInterval(() => {
    for (const page of pages.all()) page.write(':\n\n')
    // A session that expires is not announced, and a message may get lost.
    store.checkRevoked().catch((error) => console.error(error))
  }, BEAT)
  beat.unref()
}

function send(page: Response, event: 'devices' | 'signed-out'): void {
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
