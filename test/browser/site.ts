/** The example app on a free port, and everything that it ever sent. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createApp } from '../../examples/express-app/app.ts'
import { demoUsers, Users } from '../../examples/express-app/users.ts'
import { UserSessionStore } from '../../src/index.ts'
import { connect, freshPrefixes, type TestClient } from '../support/hooks.ts'

const OPTIONS = { secret: 'a secret for tests', publicUrl: 'https://lantern.example', notify: () => {} }

type Answer = { url: string; text: string }

export class Site {
  readonly store: UserSessionStore
  /** Every address and page that left the server, but not the cookies. */
  readonly sent: Answer[] = []
  /** Every session id that a cookie ever held. */
  readonly ids = new Set<string>()
  readonly #client: TestClient
  readonly #server: Server

  static async open(): Promise<Site> {
    const client = await connect()
    const prefixes = freshPrefixes()
    const store = new UserSessionStore({ client, ...prefixes })
    const users = await Users.create(demoUsers, { N: 2 })
    return new Site(
      client,
      store,
      createApp({ store, client, users, ...OPTIONS, prefix: prefixes.prefix.replace('session:', '') }),
    )
  }

  private constructor(client: TestClient, store: UserSessionStore, app: (...args: Exchange) => void) {
    this.#client = client
    this.store = store
    this.#server = createServer((req, res) => {
      this.#record(req, res)
      app(req, res)
    }).listen(0)
  }

  get url(): string {
    return `http://localhost:${(this.#server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    await this.#client.close()
  }

  #record(req: IncomingMessage, res: ServerResponse): void {
    const chunks: Buffer[] = []
    const keep = (chunk: unknown) => {
      if (typeof chunk === 'string' || chunk instanceof Uint8Array) chunks.push(Buffer.from(chunk))
    }
    const { write, end } = res
    res.write = function (this: ServerResponse, ...args: unknown[]) {
      keep(args[0])
      return Reflect.apply(write, this, args)
    }
    res.end = function (this: ServerResponse, ...args: unknown[]) {
      keep(args[0])
      return Reflect.apply(end, this, args)
    }
    res.once('close', () => {
      const { 'set-cookie': cookies, ...headers } = res.getHeaders()
      const text = `${JSON.stringify(headers)}\n${Buffer.concat(chunks)}`
      this.sent.push({ url: req.url ?? '', text })
      for (const cookie of [cookies ?? []].flat()) this.ids.add(sessionIdOf(String(cookie)))
    })
  }
}

type Exchange = [IncomingMessage, ServerResponse]

/** The id in the signed cookie `sid=s:<id>.<signature>`. */
function sessionIdOf(cookie: string): string {
  const id = /^sid=s:([^.]+)\./.exec(decodeURIComponent(cookie))?.[1]
  if (!id) throw new Error(`Not a session cookie: ${cookie}`)
  return id
}
