/**
 * The minimum that must work, over HTTP and on a real Redis. Two browsers sign in, and one signs out the
 * other.
 */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { createApp } from './app.ts'
import { connect, createStore } from './store.ts'
import { demoUsers, Users } from './users.ts'

const [, grace] = demoUsers
const { REDIS_URL = 'redis://localhost:6379' } = process.env

test('two browsers sign in, one lists them and signs out the other', async () => {
  const prefix = `example-test:${randomUUID()}:`
  const client = await connect(REDIS_URL)
  const store = createStore(client, undefined, prefix)
  const users = await Users.create(demoUsers)
  const options = { secret: randomUUID(), publicUrl: 'http://localhost', notify: () => {} }
  const server = createServer(createApp({ ...options, store, client, prefix, users })).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  try {
    const firefox = new Browser(url, 'Firefox/140.0')
    const chrome = new Browser(url, 'Chrome/140.0.0.0 Safari/537.36')
    for (const browser of [firefox, chrome]) {
      const answer = await browser.submit('/sign-in', { name: grace.name, password: grace.password })
      assert.equal(answer.headers.get('location'), '/account')
    }
    const list = await (await chrome.get('/account')).text()
    assert.match(list, /Firefox/)
    assert.match(list, /Chrome/)

    await chrome.submit('/account/sign-out-others')
    assert.match(await (await chrome.get('/account')).text(), /Signed out 1 other device\./)
    assert.equal((await chrome.get('/account')).status, 200)
    assert.equal((await firefox.get('/account')).headers.get('location'), '/sign-in')
  } finally {
    server.close()
    server.closeAllConnections()
    await store.clear()
    for await (const keys of client.scanIterator({ MATCH: `${prefix}*` })) await client.del(keys)
    await client.close()
  }
})

class Browser {
  readonly #url: string
  readonly #userAgent: string
  readonly #cookies = new Map<string, string>()

  constructor(url: string, userAgent: string) {
    this.#url = url
    this.#userAgent = userAgent
  }

  async get(path: string, form?: Record<string, string>): Promise<Response> {
    const response = await fetch(this.#url + path, {
      redirect: 'manual',
      headers: {
        'user-agent': this.#userAgent,
        cookie: [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; '),
      },
      ...(form && { method: 'POST', body: new URLSearchParams(form) }),
    })
    for (const cookie of response.headers.getSetCookie()) {
      const [name = '', value = ''] = (cookie.split(';')[0] as string).split('=')
      if (value) this.#cookies.set(name, value)
      else this.#cookies.delete(name)
    }
    return response
  }

  /** Fills in and sends the form of a page. */
  async submit(path: string, fields: Record<string, string> = {}): Promise<Response> {
    const page = await (await this.get(path)).text()
    const hidden = [...page.matchAll(/name="(_csrf|_once)" value="([^"]+)"/g)]
    return this.get(path, {
      ...fields,
      ...Object.fromEntries(hidden.map(([, name, value]) => [name, value])),
    })
  }
}
