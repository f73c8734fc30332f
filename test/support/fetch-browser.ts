/** An HTTP server of a test, and browsers that keep cookies and follow redirects by themselves. */
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface TestServer {
  url: string
  stop(): Promise<void>
}

/** Serves on a free port of the loopback interface. */
export async function serve(listener: RequestListener): Promise<TestServer> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return served(server)
}

export function served(server: Server): TestServer {
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    async stop() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

export interface Answer {
  status: number
  body: string
  /** The address after all redirects. */
  url: string
}

export class FetchBrowser {
  /** By origin and name. */
  readonly cookies = new Map<string, Map<string, string>>()

  constructor(readonly home: string) {}

  get(path: string): Promise<Answer> {
    return this.#request('GET', path)
  }

  post(path: string): Promise<Answer> {
    return this.#request('POST', path)
  }

  async #request(method: string, path: string): Promise<Answer> {
    let url = new URL(path, this.home)
    for (;;) {
      const headers = { cookie: this.#cookiesOf(url) }
      const response = await fetch(url, { method, headers, redirect: 'manual' })
      this.#keep(url, response.headers.getSetCookie())
      const body = await response.text()
      const location = response.headers.get('location')
      const { status } = response
      if (location === null || status < 300 || status > 399) return { status, body, url: url.href }
      url = new URL(location, url)
    }
  }

  cookie(name: string): string | undefined {
    return this.cookies.get(new URL(this.home).origin)?.get(name)
  }

  #cookiesOf({ origin }: URL): string {
    return [...(this.cookies.get(origin) ?? [])].map(([name, value]) => `${name}=${value}`).join('; ')
  }

  #keep({ origin }: URL, headers: string[]): void {
    const jar = this.cookies.get(origin) ?? new Map<string, string>()
    this.cookies.set(origin, jar)
    for (const header of headers) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(header) ?? []
      const expires = /; *expires=([^;]+)/i.exec(header)?.[1]
      if (expires && Date.parse(expires) <= Date.now()) jar.delete(name)
      else jar.set(name, value)
    }
  }
}

/** A promise that a test resolves. */
export class Gate {
  #open: () => void = () => {}
  readonly opened = new Promise<void>((resolve) => {
    this.#open = resolve
  })

  open(): void {
    this.#open()
  }
}
