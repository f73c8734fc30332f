/** The example's server-sent events: what an open page is told, and by whom. */
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
import { optionsFor } from './support.ts'

const [, grace, alan] = demoUsers

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
    await eventually('the store to listen', async () => {
      const reply = await db.client.sendCommand(['PUBSUB', 'NUMSUB', `${db.prefixes.prefix}revoked`])
      return Number((reply as unknown as [string, number])[1]) === 1
    })
  })

  afterEach(() => {
    server.closeAllConnections()
    server.close()
    for (const client of subscribers) client.destroy()
  })

  const url = (path: string) => `http://127.0.0.1:${port}${path}`

  async function request(path: string, cookie = '', body?: Record<string, string>) {
    const headers: Record<string, string> = cookie ? { cookie } : {}
    const init = body ? { method: 'POST', body: new URLSearchParams(body) } : {}
    const response = await fetch(url(path), { redirect: 'manual', headers, ...init })
    const [set] = response.headers.getSetCookie()
    return { response, text: await response.text(), cookie: set?.split(';')[0] ?? cookie }
  }

  async function submit(path: string, cookie: string, form = path, fields = {}) {
    const page = await request(form, cookie)
    const _csrf = /name="_csrf" value="([^"]+)"/.exec(page.text)?.[1] as string
    return request(path, page.cookie, { ...fields, _csrf })
  }

  async function signIn({ name, password }: { name: string; password: string }): Promise<string> {
    const { response, cookie } = await submit('/sign-in', '', '/sign-in', { name, password })
    expect(response.headers.get('location')).to.equal('/account')
    return cookie
  }

  /** An open page. */
  async function follow(cookie: string) {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      get(url('/account/events'), { headers: { cookie } }, resolve).on('error', reject)
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

  it('a page hears of its user\u2019s new devices and of those that leave, and of nobody else\u2019s', async () => {
    const first = await signIn(grace)
    const [page, other] = [await follow(first), await follow(await signIn(alan))]
    expect(page.headers['content-type']).to.equal('text/event-stream')
    expect(page.headers['cache-control']).to.equal('no-store')
    const second = await signIn(grace)
    await eventually('the new device', () => eventsOf(page).length === 1)
    await submit('/sign-out', second, '/account')
    await eventually('the device that left', () => eventsOf(page).length === 2)
    expect(eventsOf(page)).to.deep.equal(['devices', 'devices'])
    expect(eventsOf(other)).to.deep.equal([])
    expect([page.isOpen, other.isOpen]).to.deep.equal([true, true])
  })

  it('a page whose session is revoked is told so, and closed: from here and from another process', async () => {
    const elsewhere = db.store({ subscriber: subscribers[1] })
    for (const by of [store, elsewhere]) {
      const [page, other] = [await follow(await signIn(grace)), await follow(await signIn(alan))]
      await by.destroyUser(grace.id)
      await eventually('the end', () => !page.isOpen)
      expect(eventsOf(page)).to.deep.equal(['devices', 'signed-out'])
      expect(other.isOpen).to.equal(true)
      expect(eventsOf(other)).to.deep.equal([])
      await store.destroyUser(alan.id)
    }
  })

  it('a page whose browser gets a new session is closed without a word, and asks again', async () => {
    const cookie = await signIn(grace)
    const page = await follow(cookie)
    const changed = { current: grace.password, new: 'a new password', repeat: 'a new password' }
    const { cookie: next } = await submit('/account/password', cookie, '/account/password', changed)
    await eventually('the end', () => !page.isOpen)
    expect(eventsOf(page)).to.not.include('signed-out')
    expect((await follow(next)).status).to.equal(200)
  })

  it('asked without a session, it refuses, and neither leads anywhere nor leaves anything', async () => {
    const cookie = await signIn(grace)
    await store.destroyUser(grace.id)
    for (const path of ['/account/events', '/account/devices']) {
      const { response } = await request(path, cookie)
      expect(response.status).to.equal(401)
      expect(response.headers.getSetCookie()).to.deep.equal([])
    }
    expect(await db.keys()).to.deep.equal([])
    const { cookie: anonymous } = await request('/account', cookie)
    expect((await request('/sign-in', anonymous)).text).to.include('You were signed out on this device.')
  })

  it('the list alone is the list of the page, without an id, and takes no message', async () => {
    const cookie = await signIn(grace)
    await submit('/account/sign-out-others', cookie)
    const fragment = await request('/account/devices', cookie)
    expect(fragment.text).to.not.match(/<html|<script|class="flash/)
    const page = await request('/account', cookie)
    expect(page.text).to.include('Signed out 0 other devices')
    const inWords = (text: string) => text.replace(/\s+/g, ' ').trim()
    expect(inWords(page.text)).to.include(inWords(fragment.text))
    expect(fragment.text).to.not.include((await store.userSessions(grace.id))[0]?.sessionId)
  })

  it('a page that was closed while its session was loaded is not waited for', async () => {
    const cookie = await signIn(grace)
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
    const opening = get(url('/account/events'), { headers: { cookie }, agent: new Agent() })
    opening.on('error', () => {})
    await eventually('the end of the request', () => closed)
    store.get = load as typeof store.get
    await request('/account', cookie)
    calls.length = 0
    expect(await store.checkRevoked()).to.equal(0)
    expect(calls, 'nobody waits').to.deep.equal([])
  })

  it('a page that is open asks Redis for nothing, and its end neither', async () => {
    const page = await follow(await signIn(grace))
    const other = await signIn(alan)
    calls.length = 0
    store.emit('created', { sessionId: 'x', handle: 'y', userId: grace.id })
    await eventually('the event', () => eventsOf(page).length === 1)
    expect(calls).to.deep.equal([])
    await request('/account', other)
    expect(page.isOpen).to.equal(true)
  })
})
