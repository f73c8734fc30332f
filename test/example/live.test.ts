/** The example's server-sent events: which events an open page gets, and from which process. */
import { once } from 'node:events'
import { Agent, createServer, get, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { createApp } from '../../examples/express-app/app.ts'
import { demoUsers, Users } from '../../examples/express-app/users.ts'
import { UserSessionStore } from '../../src/index.ts'
import { useDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { connect, type TestClient } from '../support/hooks.ts'
import { watch } from '../support/paused-client.ts'
import { Browser, optionsFor, type Person } from './support.ts'

const [ada, grace, alan] = demoUsers

describe('The example app, live', () => {
  const db = useDatabase()
  let subscribers: TestClient[]
  let server: Server
  let store: UserSessionStore
  let calls: { command: string }[]
  let port: number

  beforeEach(async () => {
    subscribers = [await connect(), await connect()]
    const watched = watch(db.client)
    calls = watched.calls
    store = new UserSessionStore({ client: watched.client, subscriber: subscribers[0], ...db.prefixes })
    const users = await Users.create(demoUsers, { N: 2 })
    server = createServer(
      createApp({ ...optionsFor(watched.client, db.prefixes), subscriber: subscribers[0], store, users }),
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    port = (server.address() as AddressInfo).port
    await listening(`${db.prefixes.prefix}revoked`)
    await listening(channel())
  })

  /** The channel on which processes announce changes. */
  const channel = () => `${optionsFor(db.client, db.prefixes).prefix}changes`

  const listening = (channel: string, by = 1) =>
    eventually(`${by} to listen on ${channel}`, async () => {
      const reply = await db.client.sendCommand(['PUBSUB', 'NUMSUB', channel])
      return Number((reply as unknown as [string, number])[1]) === by
    })

  afterEach(() => {
    server.closeAllConnections()
    server.close()
    for (const client of subscribers) client.destroy()
  })

  const url = (path: string) => `http://127.0.0.1:${port}${path}`

  async function signedIn(user: Person, at = url('')): Promise<Browser> {
    const browser = new Browser(at)
    expect((await browser.signIn(user)).headers.location).to.equal('/account')
    return browser
  }

  /** An open page. */
  async function follow(browser: Browser) {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      get(url('/account/events'), { headers: { cookie: browser.cookies() } }, resolve).on('error', reject)
    })
    const page = { text: '', isOpen: true, status: response.statusCode, headers: response.headers }
    response.setEncoding('utf8').on('data', (text) => {
      page.text += text
    })
    response.once('end', () => {
      page.isOpen = false
    })
    response.on('error', () => {})
    return page
  }

  const eventsOf = ({ text }: { text: string }) =>
    [...text.matchAll(/^event: (.*)$/gm)].map(([, name]) => name)

  it('a page hears of its own user\u2019s new and removed devices, and of no other user\u2019s', async () => {
    const first = await signedIn(grace)
    const [page, other] = [await follow(first), await follow(await signedIn(alan))]
    expect(page.headers['content-type']).to.equal('text/event-stream')
    expect(page.headers['cache-control']).to.equal('no-store')
    const second = await signedIn(grace)
    await eventually('the new device', () => eventsOf(page).length === 1)
    await second.submit('/sign-out', {}, '/account')
    await eventually('the device that left', () => eventsOf(page).length === 2)
    expect(eventsOf(page)).to.deep.equal(['devices', 'devices'])
    expect(eventsOf(other)).to.deep.equal([])
    expect([page.isOpen, other.isOpen]).to.deep.equal([true, true])
  })

  it('a page whose session is revoked is told, and closed, from this process and from another', async () => {
    const elsewhere = db.store({ subscriber: subscribers[1] })
    for (const by of [store, elsewhere]) {
      const [page, other] = [await follow(await signedIn(grace)), await follow(await signedIn(alan))]
      await by.destroyUser(grace.id)
      await eventually('the end', () => !page.isOpen)
      expect(eventsOf(page)).to.deep.equal(['devices', 'signed-out'])
      expect(other.isOpen).to.equal(true)
      expect(eventsOf(other)).to.deep.equal([])
      await store.destroyUser(alan.id)
    }
  })

  it('a page whose browser gets a new session is closed without a message, and connects again', async () => {
    const browser = await signedIn(grace)
    const page = await follow(browser)
    const changed = { current: grace.password, new: 'a new password', repeat: 'a new password' }
    await browser.submit('/account/password', changed)
    await eventually('the end', () => !page.isOpen)
    expect(eventsOf(page)).to.not.include('signed-out')
    expect((await follow(browser)).status).to.equal(200)
    expect((await browser.get('/account/state')).body).to.deep.equal({ role: 'editor' })
  })

  it('without a session, it refuses, redirects nowhere and writes nothing', async () => {
    const browser = await signedIn(grace)
    await store.destroyUser(grace.id)
    for (const path of ['/account/events', '/account/devices', '/account/state']) {
      const answer = await browser.copy().get(path)
      expect(answer.status, path).to.equal(401)
      expect(answer.get('Set-Cookie') ?? [], path).to.deep.equal([])
    }
    expect(await db.keys()).to.deep.equal([])
    const answer = await browser.get('/account')
    expect(await browser.follow(answer)).to.include('You were signed out on this device.')
  })

  it('the list alone equals the list of the page, without an id, and does not consume the message', async () => {
    const browser = await signedIn(grace)
    await browser.submit('/account/sign-out-others', {}, '/account')
    const fragment = await browser.get('/account/devices')
    expect(fragment.text).to.not.match(/<html|<script|class="flash/)
    const page = await browser.get('/account')
    expect(page.text).to.include('No other device was signed in.')
    const inWords = (text: string) => text.replace(/\s+/g, ' ').trim()
    expect(inWords(page.text)).to.include(inWords(fragment.text))
    expect(fragment.text).to.not.include(browser.sessionId())
  })

  it('a page that was closed while its session was loaded is not waited for', async () => {
    const browser = await signedIn(grace)
    const load = store.get.bind(store)
    let closed = false
    store.get = ((id: string, callback: (error: unknown, session?: unknown) => void) => {
      opening.destroy()
      load(id).then(async (session) => {
        await eventually('the end of the connection', () => closed)
        callback(null, session)
      }, callback)
    }) as typeof store.get
    server.once('connection', (socket) => socket.once('close', () => (closed = true)))
    const opening = get(url('/account/events'), {
      headers: { cookie: browser.cookies() },
      agent: new Agent(),
    })
    opening.on('error', () => {})
    await eventually('the end of the request', () => closed)
    store.get = load as typeof store.get
    await browser.get('/account')
    calls.length = 0
    expect(await store.checkRevoked()).to.equal(0)
    expect(calls, 'nobody waits').to.deep.equal([])
  })

  it('a page that is open asks Redis for nothing, and its end neither', async () => {
    const page = await follow(await signedIn(grace))
    const other = await signedIn(alan)
    calls.length = 0
    await db.client.publish(channel(), JSON.stringify({ userId: grace.id, what: 'devices' }))
    await eventually('the event', () => eventsOf(page).length === 1)
    expect(calls).to.deep.equal([])
    await other.get('/account')
    expect(page.isOpen).to.equal(true)
  })

  describe('in two processes', () => {
    let second: Server

    /** Another process has its own store, users and subscriber. */
    async function startSecond(): Promise<string> {
      const other = db.store({ subscriber: subscribers[1] })
      const users = await Users.create(demoUsers, { N: 2 })
      const options = {
        ...optionsFor(db.client, db.prefixes),
        subscriber: subscribers[1],
        store: other,
        users,
      }
      second = createServer(createApp(options)).listen(0, '127.0.0.1')
      await once(second, 'listening')
      await listening(channel(), 2)
      return `http://127.0.0.1:${(second.address() as AddressInfo).port}`
    }

    afterEach(() => {
      second.closeAllConnections()
      second.close()
    })

    it('a page hears of a new device and of a new role from the other', async () => {
      const elsewhere = await startSecond()
      const page = await follow(await signedIn(grace))
      const other = await follow(await signedIn(alan))
      await signedIn(grace, elsewhere)
      await eventually('the new device', () => eventsOf(page).length === 1)
      const admin = await signedIn(ada, elsewhere)
      await admin.submit(`/admin/users/${grace.id}/role`, { role: 'admin' }, '/admin')
      await eventually('the new role', () => eventsOf(page).length === 2)
      expect(eventsOf(page)).to.deep.equal(['devices', 'role'])
      expect(eventsOf(other)).to.deep.equal([])
    })
  })
})
