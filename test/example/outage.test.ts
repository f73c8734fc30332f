/** The example while its Redis hangs, is down, and is back again. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { createApp } from '../../examples/express-app/app.ts'
import { connect as connectAsExample, createStore, type Redis } from '../../examples/express-app/store.ts'
import { demoUsers, Users } from '../../examples/express-app/users.ts'
import { eventually } from '../support/eventually.ts'
import { spawnServer } from '../support/redis-server.ts'
import type { ServerHandle } from '../support/spawn-server.ts'
import { Browser, hidden, isSignedIn } from './support.ts'

const [, grace] = demoUsers
const { error } = console

describe('The example app without its Redis', function () {
  this.timeout('5m')

  let redis: ServerHandle
  let client: Redis
  let server: Server
  let url: string

  beforeEach(async () => {
    console.error = () => {}
    redis = await spawnServer()
    client = await connectAsExample(redis.url)
    const users = await Users.create(demoUsers, { N: 2 })
    const options = { secret: 'a secret for tests', publicUrl: 'https://lantern.example', notify: () => {} }
    server = createServer(createApp({ ...options, store: createStore(client), client, users }))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })

  afterEach(async () => {
    server.closeAllConnections()
    server.close()
    client.destroy()
    await redis.stop()
    console.error = error
  })

  const outages: Record<string, { begin(): Promise<void>; end(): Promise<void> }> = {
    'that is gone': { begin: () => redis.kill(), end: () => redis.restart() },
    'that hangs': { begin: () => redis.pause(), end: () => redis.resume() },
  }

  for (const [which, { begin, end }] of Object.entries(outages)) {
    it(`${which} shows "try again" on every page, and signs no user out`, async () => {
      const browser = new Browser(url)
      await browser.signIn(grace)
      const form = hidden(await browser.get('/account/password'))
      const id = browser.sessionId()
      await begin()
      for (const path of ['/account', '/account/history', '/account/state', '/account/events', '/sign-in']) {
        const page = await browser.get(path)
        expect(page.status, path).to.equal(503)
        expect(page.headers['retry-after'], path).to.equal('5')
        expect(page.text, path)
          .to.include('Please try again in a moment')
          .and.not.to.match(/socket|redis:|at .*\.ts/i)
        expect(page.text, path).not.to.include('Sign in</h1>')
      }
      const answer = await browser.post('/account/password', { current: grace.password, ...form })
      expect(answer.status).to.equal(503)
      expect(answer.text).to.include('href="/account/password"')
      expect(browser.sessionId()).to.equal(id)

      await end()
      await eventually('Redis to answer', () => client.ping().catch(() => undefined))
      const lost = which === 'that is gone' // a Redis that persists nothing starts empty
      expect(await isSignedIn(browser)).to.equal(!lost)
      if (!lost) return
      await browser.signIn(grace)
      expect(await isSignedIn(browser)).to.equal(true)
    })
  }

  it('still shows the sign-in page to visitors without a session, and shows the outage when they submit it', async () => {
    const browser = new Browser(url)
    await redis.kill()
    const answer = await browser.signIn(grace)
    expect(answer.status).to.equal(503)
    expect(answer.text).to.include('Please try again in a moment')
    await redis.restart()
    await eventually('Redis to answer', () => client.ping().catch(() => undefined))
    expect((await browser.signIn(grace)).headers.location).to.equal('/account')
  })
})
