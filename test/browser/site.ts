/** The example app on a free port, with a record of everything that it sent. */
import { createHmac, randomBytes } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type AppOptions, createApp } from '../../examples/express-app/app.ts'
import { connect, createStore, type Redis } from '../../examples/express-app/store.ts'
import { demoUsers, type Role, Users } from '../../examples/express-app/users.ts'
import type { UserSessionStore } from '../../src/index.ts'
import { freshPrefixes, redisUrl } from '../support/hooks.ts'

const SECRET = 'a secret for tests'
const OPTIONS = { secret: SECRET, publicUrl: 'https://lantern.example', notify: () => {} }

const HOUR = 3_600_000

type Answer = { url: string; text: string }

export class Site {
  readonly store: UserSessionStore
  /** Every address and page that the server sent, without the cookies. */
  readonly sent: Answer[] = []
  /** Every session id that a cookie ever held. */
  readonly ids = new Set<string>()
  /** The requests to the app, by method and path. */
  readonly asked: string[] = []
  readonly #forms = new EventEmitter()
  #second?: Promise<unknown>
  readonly #clients: Redis[]
  readonly #server: Server

  /** As `server.ts` starts it, but for the port and the cost of a password. */
  static async open(url = redisUrl(), options: Partial<AppOptions> = {}): Promise<Site> {
    const clients = [await connect(url), await connect(url)] as const
    const [client, subscriber] = clients
    const prefix = freshPrefixes().prefix.replace(/session:$/, '')
    const store = createStore(client, subscriber, prefix)
    const users = await Users.create(demoUsers, { N: 2 })
    const app = createApp({ store, client, subscriber, users, prefix, demoUsers, ...OPTIONS, ...options })
    const site = new Site([...clients], store, app)
    await once(site.#server, 'listening')
    return site
  }

  private constructor(clients: Redis[], store: UserSessionStore, app: (...args: Exchange) => void) {
    this.#clients = clients
    this.store = store
    this.#server = createServer((req, res) => {
      this.#record(req, res)
      app(req, res)
    }).listen(0, '127.0.0.1')
  }

  get url(): string {
    return `http://localhost:${(this.#server.address() as AddressInfo).port}`
  }

  /** Signs a user in without a browser; resolves to the cookie that a browser would have. */
  async signIn(user: { id: string; role: Role }, userAgent: string): Promise<string> {
    const id = randomBytes(24).toString('base64url')
    const now = new Date().toISOString()
    const cookie = { originalMaxAge: HOUR, expires: new Date(Date.now() + HOUR) }
    const session = { cookie, userId: user.id, role: user.role, signedInAt: now, passwordAt: now, userAgent }
    await this.store.set(id, session)
    const signature = createHmac('sha256', SECRET).update(id).digest('base64').replace(/=+$/, '')
    return `s:${id}.${signature}`
  }

  /**
   * Holds the answer to the next form until a second form arrives, as if the server were slow. Resolves when the first
   * form has arrived.
   */
  holdAnswer(): Promise<unknown> {
    const first = once(this.#forms, 'form')
    this.#second = first.then(() => once(this.#forms, 'form'))
    return first
  }

  async close(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    await this.store.close()
    for (const client of this.#clients) client.destroy()
  }

  #record(req: IncomingMessage, res: ServerResponse): void {
    this.asked.push(`${req.method} ${req.url}`)
    const chunks: Buffer[] = []
    const keep = (chunk: unknown) => {
      if (typeof chunk === 'string' || chunk instanceof Uint8Array) chunks.push(Buffer.from(chunk))
    }
    const second = req.method === 'POST' ? this.#second : undefined
    if (second) this.#second = undefined
    const { write, end } = res
    res.write = function (this: ServerResponse, ...args: unknown[]) {
      keep(args[0])
      if (!second) return Reflect.apply(write, this, args)
      second.then(() => Reflect.apply(write, this, args))
      return true
    }
    res.end = function (this: ServerResponse, ...args: unknown[]) {
      keep(args[0])
      if (!second) return Reflect.apply(end, this, args)
      second.then(() => Reflect.apply(end, this, args))
      return this
    }
    if (req.method === 'POST') this.#forms.emit('form')
    res.once('close', () => {
      const { 'set-cookie': cookies, ...headers } = res.getHeaders()
      const text = `${JSON.stringify(headers)}\n${Buffer.concat(chunks)}`
      this.sent.push({ url: req.url ?? '', text })
      for (const cookie of [cookies ?? []].flat()) {
        const id = sessionIdOf(String(cookie))
        if (id) this.ids.add(id)
      }
    })
  }
}

type Exchange = [IncomingMessage, ServerResponse]

/** The id in the signed cookie `sid=s:<id>.<signature>`. The app has other cookies, too. */
const sessionIdOf = (cookie: string) => /^sid=s:([^.]+)\./.exec(decodeURIComponent(cookie))?.[1]
