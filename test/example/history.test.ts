/** The example's history of sign-ins, the page of a session, the notice of a new sign-in, and the session limits. */
import { expect } from 'chai'
import type { Express } from 'express'
import { type AppOptions, createApp } from '../../examples/express-app/app.ts'
import { type NewSignIn, textOf } from '../../examples/express-app/notices.ts'
import { describeKnownPlace } from '../../examples/express-app/places.ts'
import { createStore, MAX_DEVICES } from '../../examples/express-app/store.ts'
import { demoUsers, Users } from '../../examples/express-app/users.ts'
import type { UserSessionStore } from '../../src/index.ts'
import { eventually } from '../support/eventually.ts'
import { connect, freshPrefixes, type TestClient } from '../support/hooks.ts'
import {
  areSignedIn,
  Browser,
  CHROME,
  deviceLinks,
  deviceNames,
  devicePath,
  FIREFOX,
  IPHONE,
  isSignedIn,
  optionsFor,
} from './support.ts'

const [ada, grace] = demoUsers
const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE

describe('The history of the example app', () => {
  let client: TestClient
  let options: AppOptions
  let store: UserSessionStore
  let notices: NewSignIn[]
  let app: Express

  before(async () => {
    client = await connect()
  })

  after(() => client.close())

  beforeEach(async () => {
    notices = []
    const own = optionsFor(client, freshPrefixes(), notices)
    store = createStore(client, undefined, own.prefix)
    options = { ...own, store, users: await Users.create(demoUsers, { N: 2 }) }
    app = createApp(options)
  })

  const key = ({ id }: { id: string }) => `${options.prefix}history:${id}`

  async function signedIn(userAgent: string, user: { name: string; password: string } = grace, fields = {}) {
    const browser = new Browser(app, userAgent)
    expect((await browser.signIn(user, fields)).headers.location).to.equal('/account')
    return browser
  }

  /** The history as text, once it has so many entries: they are written after the answer. */
  async function historyOf(browser: Browser, entries: number): Promise<string> {
    await eventually(`${entries} entries`, async () => (await client.zCard(key(grace))) >= entries)
    return inWords((await browser.get('/account/history')).text)
  }

  const inWords = (html: string) =>
    html
      .replace(/<[^>]*>/g, ' ')
      .replace(/\s+/g, ' ')
      .trim()

  it('shows sign-ins and how they ended, the latest first, also of sessions that are gone', async () => {
    const desktop = await signedIn(CHROME)
    const phone = await signedIn(IPHONE)
    const linux = await signedIn(FIREFOX)
    await linux.submit('/sign-out', {}, '/account')
    await desktop.submit('/account/sign-out-others')
    const text = await historyOf(desktop, 5)
    expect(await areSignedIn(phone, linux)).to.deep.equal([false, false])
    const page = await desktop.get('/account/history')
    expect(deviceNames(page)).to.deep.equal(['Firefox on Linux', 'Safari on iPhone', 'Chrome on Windows'])
    expect(text).to.match(
      /Firefox on Linux.*Signed out on the device.*Safari on iPhone.*Signed out from elsewhere/,
    )
    for (const browser of [desktop, phone, linux]) {
      if (browser.sessionId()) expect(page.text).not.to.include(browser.sessionId())
    }
  })

  it('keeps sign-ins of other users to itself', async () => {
    await signedIn(FIREFOX, ada)
    const desktop = await signedIn(CHROME)
    await historyOf(desktop, 1)
    expect(deviceNames(await desktop.get('/account/history'))).to.deep.equal(['Chrome on Windows'])
  })

  it('shows one visit if a new password gave the session another id', async () => {
    const desktop = await signedIn(CHROME)
    const wanted = 'a brand new one'
    await desktop.submit('/account/password', { current: grace.password, new: wanted, repeat: wanted })
    const text = await historyOf(desktop, 3)
    expect(deviceNames(await desktop.get('/account/history'))).to.deep.equal(['Chrome on Windows'])
    expect(text).not.to.include('Signed out')
  })

  it('has a bound and an end of its own, and no session id', async () => {
    const desktop = await signedIn(CHROME)
    await historyOf(desktop, 1)
    for (let i = 0; i < 120; i++) {
      store.emit('destroyed', { sessionId: 'x', handle: `handle ${i}`, userId: grace.id, reason: 'logout' })
    }
    await eventually('the last entry', async () =>
      (await client.zRange(key(grace), 0, -1)).some((entry) => entry.includes('handle 119')),
    )
    const entries = await client.zRange(key(grace), 0, -1)
    expect(entries).to.have.length(100)
    expect(entries.join()).not.to.include(desktop.sessionId())
    expect(await client.pTTL(key(grace))).to.be.closeTo(90 * DAY, MINUTE)
  })

  it('that cannot be written does not prevent a sign-in', async () => {
    await client.set(key(ada), 'not a sorted set')
    const logged: unknown[] = []
    const { error } = console
    console.error = (...args) => logged.push(...args)
    try {
      store.emit('destroyed', { sessionId: 'x', handle: 'y', userId: ada.id, reason: 'logout' })
      await eventually('the error', () => logged.length > 0)
    } finally {
      console.error = error
      await client.del(key(ada))
    }
    expect(await isSignedIn(await signedIn(CHROME, ada))).to.equal(true)
  })

  describe('the page of a session', () => {
    it('shows where, when and how it was signed in', async () => {
      await signedIn(IPHONE, grace, { ip: '192.168.1.7', remember: 'yes' })
      const desktop = await signedIn(CHROME)
      const page = await desktop.get(devicePath(await desktop.get('/account'), 'Safari on iPhone'))
      expect(inWords(page.text)).to.match(
        /Place local network IP address 192\.168\.1\.7 First seen .* UTC Last seen/i,
      )
      expect(page.text).to.include('Remember me').and.include('/sign-out"')
    })

    it('shows how an ended session ended, and offers no sign-out', async () => {
      const phone = await signedIn(IPHONE)
      const desktop = await signedIn(CHROME)
      const path = devicePath(await desktop.get('/account'), 'Safari on iPhone')
      await phone.submit('/sign-out', {}, '/account')
      await historyOf(desktop, 3)
      const page = await desktop.get(path)
      expect(inWords(page.text)).to.include('Signed out on the device')
      expect(page.text).not.to.include(`${path}/sign-out`)
      expect((await desktop.get(`${path}/sign-out`)).headers.location).to.equal('/account')
    })

    it('is for its user only', async () => {
      await signedIn(IPHONE)
      const [session] = await store.userSessions(grace.id)
      const stranger = await signedIn(CHROME, ada)
      for (const path of [`/account/sessions/${session?.handle}`, '/account/sessions/x']) {
        const answer = await stranger.get(path)
        expect(answer.headers.location).to.equal('/account')
        expect(await stranger.follow(answer)).to.include('That device is not signed in any more.')
      }
    })

    it('signs out that device and asks for a new password, but keeps the asking browser signed in', async () => {
      const [phone, desktop] = [await signedIn(IPHONE), await signedIn(CHROME)]
      const list = await desktop.get('/account')
      const path = devicePath(list, 'Safari on iPhone')
      const answer = await desktop.submit(`${path}/not-me`, {}, path)
      expect(answer.headers.location).to.equal('/account/password')
      expect(await desktop.follow(answer)).to.include(
        'Safari on iPhone is signed out. Now choose a new password.',
      )
      const own = devicePath(list, 'Chrome on Windows')
      await desktop.submit(`${own}/not-me`, {}, '/account')
      expect(await areSignedIn(phone, desktop)).to.deep.equal([false, true])
    })
  })

  describe('a new sign-in', () => {
    it('is told once for each browser, with a link to its page', async () => {
      const desktop = await signedIn(CHROME, grace, { ip: '10.1.2.3' })
      await eventually('the notice', () => notices.length === 1)
      const [notice] = notices as [NewSignIn]
      const path = devicePath(await desktop.get('/account'), 'Chrome on Windows')
      expect(notice.url).to.equal(`https://lantern.example${path}`)
      expect(textOf(notice))
        .to.include('To: grace')
        .and.include('Chrome on Windows signed in to your account')
        .and.match(/Where {2}local network, 10\.1\.2\.3/i)
        .and.include(notice.url)

      await historyOf(desktop, 1)
      await desktop.submit('/sign-out', {}, '/account')
      await desktop.signIn(grace)
      await signedIn(IPHONE)
      await eventually('the second notice', () => notices.length === 2)
      expect(notices.map(({ device }) => device.name)).to.deep.equal([
        'Chrome on Windows',
        'Safari on iPhone',
      ])
    })

    it('is marked in the list for a week', async () => {
      await signedIn(IPHONE)
      const desktop = await signedIn(CHROME)
      const isMarked = async () => / New /.test(inWords((await desktop.get('/account')).text))
      expect(await isMarked()).to.equal(true)
      await store.updateUser(grace.id, { signedInAt: new Date(Date.now() - 8 * DAY).toISOString() })
      expect(await isMarked()).to.equal(false)
    })

    it('succeeds even if no message can be sent', async () => {
      const { error } = console
      const logged: unknown[] = []
      console.error = (...args) => logged.push(...args)
      try {
        app = createApp({ ...options, notify: () => Promise.reject(new Error('no mail today')) })
        const desktop = await signedIn(CHROME)
        await eventually('the error', () => logged.length > 0)
        expect(await isSignedIn(desktop)).to.equal(true)
      } finally {
        console.error = error
      }
    })
  })

  describe('places', () => {
    it('come from the hook, which may be asynchronous: in the list, the page and the history', async () => {
      const hook = async (ip: string) => (ip === '192.0.2.44' ? 'Near <Oslo>, Norway' : undefined)
      app = createApp({ ...options, describePlace: hook })
      await signedIn(IPHONE, grace, { ip: '192.0.2.44' })
      const desktop = await signedIn(CHROME)
      await historyOf(desktop, 2)
      const path = devicePath(await desktop.get('/account'), 'Safari on iPhone')
      for (const page of await desktop.getAll(['/account', path, '/account/history'])) {
        expect(page.text).to.include('Near &lt;Oslo&gt;, Norway')
      }
      await eventually('the notices', () => notices.length === 2)
      expect(notices.map(({ device }) => device.place)).to.include('Near <Oslo>, Norway')
    })

    it('without a hook distinguish this computer and the local network from other places', () => {
      const places = ['127.0.0.1', '::1', '10.0.0.1', '172.31.0.1', '192.168.0.1', 'fe80::1', 'fd00::1']
      expect(places.map(describeKnownPlace)).to.deep.equal([
        ...['this computer', 'this computer', 'local network', 'local network'],
        ...['local network', 'local network', 'local network'],
      ])
      expect(['192.0.2.1', '172.32.0.1', '2001:db8::1'].map(describeKnownPlace)).to.deep.equal([
        ...[undefined, undefined, undefined],
      ])
    })
  })

  describe('limits', () => {
    it(`one device more than ${MAX_DEVICES} signs out the one that would end first`, async () => {
      const phone = await signedIn(IPHONE)
      const others: Browser[] = []
      for (let i = 0; i < MAX_DEVICES; i++) others.push(await signedIn(CHROME, grace, { remember: 'yes' }))
      expect(await areSignedIn(phone, ...others)).to.deep.equal([false, ...others.map(() => true)])
      const text = await historyOf(others[0] as Browser, MAX_DEVICES + 2)
      expect(text).to.include('Signed out, because there were too many devices')
      const names = deviceLinks(await (others[0] as Browser).get('/account')).map(({ name }) => name)
      expect(new Set(names).size, 'no two devices have the same name').to.equal(MAX_DEVICES)
    })

    it('a session ends 90 days after its sign-in, however active it is', async () => {
      const desktop = await signedIn(CHROME)
      const record = `${options.prefix}session:${desktop.sessionId()}`
      const age = async (days: number) => {
        const stored = JSON.parse((await client.get(record)) as string)
        stored.sessionCreated = Date.now() - days * DAY
        await client.set(record, JSON.stringify(stored), { expiration: 'KEEPTTL' })
      }
      await age(89)
      expect(await isSignedIn(desktop)).to.equal(true)
      await age(91)
      expect(await isSignedIn(desktop)).to.equal(false)
    })
  })
})
