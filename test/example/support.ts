/** Browsers without JavaScript for the tests of the example, and helpers that read its pages. */
import { once } from 'node:events'
import { createServer, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Express } from 'express'
import request, { type Response, type Test } from 'supertest'
import type { NewSignIn } from '../../examples/express-app/notices.ts'
import type { Prefixes, TestClient } from '../support/hooks.ts'

export const CHROME =
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36'
export const IPHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1'
export const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0'

/** The options of a test's app besides its store and its users. Its own keys are beside those of its sessions. */
export const optionsFor = (client: TestClient, { prefix }: Prefixes, notices: NewSignIn[] = []) => ({
  client,
  prefix: prefix.replace(/session:$/, ''),
  secret: 'a secret for tests',
  publicUrl: 'https://lantern.example',
  notify: (notice: NewSignIn) => void notices.push(notice),
})

export type Fields = Record<string, string>
export type Person = { name: string; password: string }
export type Extra = { ip?: string }

/** A cookie jar, a user agent, and forms that are fetched before they are posted. */
export class Browser {
  readonly #app: Express | string
  readonly #userAgent: string
  readonly #cookies = new Map<string, string>()
  #expires = ''

  /** `app` may be the address of one. */
  constructor(app: Express | string, userAgent = CHROME) {
    this.#app = app
    this.#userAgent = userAgent
  }

  get(path: string, extra: Extra = {}): Promise<Response> {
    return this.#send(request(this.#app).get(path), extra)
  }

  async getAll(paths: string[]): Promise<Response[]> {
    const pages: Response[] = []
    for (const path of paths) pages.push(await this.get(path))
    return pages
  }

  post(path: string, body: Fields | string, extra: Extra = {}): Promise<Response> {
    return this.#send(request(this.#app).post(path).type('form').send(body), extra)
  }

  /** Fills in the form of the page at `formPath`, and posts it to `path`. */
  async submit(path: string, fields: Fields = {}, formPath = path): Promise<Response> {
    return this.post(path, { ...fields, ...hidden(await this.get(formPath)) })
  }

  /** Types the password on the page that asks for it before a dangerous action. */
  confirm(password: string): Promise<Response> {
    return this.submit('/account/confirm', { password })
  }

  async signIn({ name, password }: Person, { ip, path = '/sign-in', ...fields }: Extra & Fields = {}) {
    const own = hidden(await this.get(path))
    return this.post(path, { name, password, ...fields, ...own }, { ip })
  }

  /** Resolves to the text of the page that an answer redirects to. */
  async follow(answer: Response): Promise<string> {
    if (answer.status !== 303) throw new Error(`answered with ${answer.status} instead of a redirect`)
    return (await this.get(answer.headers.location as string)).text
  }

  /** A second browser with a copy of the cookies. */
  copy(app = this.#app): Browser {
    const copy = new Browser(app, this.#userAgent)
    for (const [name, value] of this.#cookies) copy.#cookies.set(name, value)
    return copy
  }

  cookie(name: string): string | undefined {
    return this.#cookies.get(name)
  }

  /** The header that it sends. */
  cookies(): string {
    return [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  }

  /** The id in the signed cookie `sid=s:<id>.<signature>`; empty if there is none. */
  sessionId(): string {
    return decodeURIComponent(this.#cookies.get('sid') ?? '')
      .replace(/^s:/, '')
      .replace(/\.[^.]*$/, '')
  }

  /** When the session's cookie ends, as the last answer said; NaN if it said nothing. */
  cookieExpiry(): number {
    return Date.parse(this.#expires)
  }

  async #send(test: Test, { ip }: Extra): Promise<Response> {
    test.set('User-Agent', this.#userAgent).redirects(0)
    if (this.#cookies.size > 0) test.set('Cookie', this.cookies())
    if (ip) test.set('X-Forwarded-For', ip)
    const response = await test
    this.receive(response.get('Set-Cookie'))
    return response
  }

  receive(setCookies: string[] = []): void {
    this.#expires = ''
    for (const setCookie of setCookies) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(setCookie) ?? []
      if (value === '') this.#cookies.delete(name)
      else this.#cookies.set(name, value)
      if (name === 'sid') this.#expires = /Expires=([^;]+)/.exec(setCookie)?.[1] ?? ''
    }
  }
}

/** Sends the whole address in the first line, as the client of a proxy does. Resolves to the redirect's target. */
export async function getAbsolute(app: Express, path: string): Promise<string | undefined> {
  const server = createServer(app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const [answer] = await once(get({ port, path, agent: false }), 'response')
  answer.resume()
  server.close()
  return answer.headers.location
}

/** The hidden fields of a form. */
export function hidden(page: Response): { _csrf: string; _once: string } {
  const value = (name: string) => new RegExp(`name="${name}" value="([^"]+)"`).exec(page.text)?.[1]
  const [_csrf, _once] = [value('_csrf'), value('_once')]
  if (_csrf && _once) return { _csrf, _once }
  throw new Error(`${page.request.url} has no form: ${page.status} ${page.text.slice(0, 200)}`)
}

/** The devices of a list or a history by name, in its order, with the address of each device's page. */
export const deviceLinks = (page: Response): { path: string; name: string }[] =>
  [...page.text.matchAll(/href="(\/account\/sessions\/[\w-]{43})"[^>]*>\s*([^<]*?)\s*</g)].map(
    ([, path = '', name = '']) => ({ path, name }),
  )

export const deviceNames = (page: Response): string[] => deviceLinks(page).map(({ name }) => name)

/** The address of the page of a device. */
export function devicePath(page: Response, device: string): string {
  const link = deviceLinks(page).find(({ name }) => name === device)
  if (!link) throw new Error(`${device} is not in the list`)
  return link.path
}

export const signOutPath = (page: Response, device: string): string => `${devicePath(page, device)}/sign-out`

export const isSignedIn = async (device: Browser) => (await device.get('/account')).status === 200

export const areSignedIn = (...devices: Browser[]) => Promise.all(devices.map(isSignedIn))
