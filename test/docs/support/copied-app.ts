/** Rules that every copied app must keep, checked over HTTP. */
import { expect } from 'chai'
import { createClient } from 'redis'
import { expectNoMarkup, MARKUP } from './markup.ts'

type App = {
  url: string
  redisUrl: string
  /** Paths of pages for signed-in users. */
  pages: string[]
}

/** All these apps sign in the user of a `POST` to `/sign-in/<user id>`. */
export async function expectSafeToCopy(app: App): Promise<void> {
  await expectNoInjection(app)
  await expectNewSessionId(app)
  await expectNoSignOutWhileRedisFails(app)
}

async function expectNoInjection({ url, pages }: App): Promise<void> {
  const markup = encodeURIComponent(MARKUP)
  const signIn = await send(url, 'POST', `/sign-in/${markup}`)
  expect(signIn.status).to.be.within(200, 204)
  expectNoMarkup(signIn)
  const wanted = [
    ...pages,
    `/${markup}`,
    `/?q=${markup}`,
    `/sign-in/${markup}`,
    '/sign-in/%',
    `/devices/${markup}`,
  ]
  for (const path of wanted) {
    for (const method of ['GET', 'POST']) {
      const asked = pages.includes(path) && method === 'GET' ? signIn.cookie : ''
      expectNoMarkup(await send(url, method, path, asked))
    }
  }
}

/** A session id that an attacker planted in a browser is worthless after the sign-in. */
async function expectNewSessionId({ url, pages: [page = '/'] }: App): Promise<void> {
  const planted = await send(url, 'POST', '/sign-in/mallory')
  const victim = await send(url, 'POST', '/sign-in/eva', planted.cookie)
  expect(victim.cookie).to.be.a('string').and.not.equal('').and.not.equal(planted.cookie)
  expect((await send(url, 'GET', page, planted.cookie)).status).to.equal(401)
}

/** An outage is an error and not a sign-out, and the answer shows nothing of Redis. */
async function expectNoSignOutWhileRedisFails({ url, redisUrl, pages: [page = '/'] }: App): Promise<void> {
  const { cookie } = await send(url, 'POST', '/sign-in/eva')
  const redis = await createClient({ url: redisUrl }).connect()
  await redis.sendCommand(['ACL', 'SETUSER', 'default', '-get'])
  try {
    const answer = await send(url, 'GET', page, cookie)
    expect(answer.status).to.equal(503)
    expect(answer.text).to.not.match(/NOPERM|session:|at |redis/i)
  } finally {
    await redis.sendCommand(['ACL', 'SETUSER', 'default', '+get'])
    await redis.close()
  }
  expect((await send(url, 'GET', page, cookie)).status).to.equal(200)
}

/** A stream is left after its first bytes. */
async function send(url: string, method: string, path: string, cookie = '') {
  const stop = new AbortController()
  const headers = { cookie, 'user-agent': MARKUP, referer: `${url}/${MARKUP}` }
  const response = await fetch(`${url}${path}`, { method, headers, signal: stop.signal, redirect: 'manual' })
  const isStream = response.headers.get('content-type')?.includes('event-stream')
  const text = isStream ? '' : await response.text()
  if (isStream) stop.abort()
  const [received = ''] = response.headers.getSetCookie()
  return {
    status: response.status,
    text,
    headers: Object.fromEntries(response.headers),
    cookie: received.split(';')[0] as string,
  }
}
