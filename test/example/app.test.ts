/** The example app over HTTP: the promises of its pages, as browsers and Redis show them. */
import { expect } from 'chai'
import type { Express } from 'express'
import request, { type Response } from 'supertest'
import { createApp } from '../../examples/express-app/app.ts'
import { demoUsers, Users } from '../../examples/express-app/users.ts'
import { UserSessionStore } from '../../src/index.ts'
import { connect, freshPrefixes, type Prefixes, type TestClient } from '../support/hooks.ts'
import {
  areSignedIn,
  Browser,
  CHROME,
  deviceNames,
  devicePath,
  FIREFOX,
  getAbsolute,
  hidden,
  IPHONE,
  isSignedIn,
  optionsFor,
  type Person,
  signOutPath,
} from './support.ts'

const [ada, grace] = demoUsers
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const SLACK = MINUTE

describe('The example app', () => {
  let client: TestClient
  let prefixes: Prefixes
  let store: UserSessionStore
  let users: Users
  let app: Express

  before(async () => {
    client = await connect()
  })

  after(() => client.close())

  beforeEach(async () => {
    prefixes = freshPrefixes()
    store = new UserSessionStore({ client, ...prefixes })
    users = await Users.create(demoUsers, { N: 2 })
    app = createApp(options())
  })

  const options = () => ({ ...optionsFor(client, prefixes), store, users })

  const indexKey = (user: { id: string }) => `${prefixes.userPrefix}${user.id}:sessions`
  const browser = (userAgent = CHROME) => new Browser(app, userAgent)

  async function signedIn(user: { name: string; password: string }, userAgent = CHROME): Promise<Browser> {
    const device = browser(userAgent)
    const page = await device.signIn(user)
    expect(page.status).to.equal(303)
    return device
  }

  /** Acts as if the password had been typed long ago. */
  const forgetPassword = (user: { id: string }) =>
    store.updateUser(user.id, { passwordAt: new Date(Date.now() - 11 * MINUTE).toISOString() })

  const threeDevices = () =>
    Promise.all([signedIn(grace, CHROME), signedIn(grace, IPHONE), signedIn(grace, FIREFOX)] as const)

  describe('the list of devices', () => {
    it('shows three devices that signed in, named, and this one first', async () => {
      const [, phone] = await threeDevices()
      const page = await phone.get('/account')
      expect(deviceNames(page)).to.have.members(['Safari on iPhone', 'Chrome on Windows', 'Firefox on Linux'])
      expect(deviceNames(page)[0]).to.equal('Safari on iPhone')
      expect(page.text).to.match(/>\s*This device\s*</)
      expect(page.text.match(/<li[^>]*aria-current="true"/g)).to.have.length(1)
    })

    it('shows the address of each device', async () => {
      const device = browser()
      await device.signIn(grace, { ip: '192.0.2.44' })
      const other = await signedIn(grace)
      expect((await other.get('/account')).text).to.include('192.0.2.44')
    })

    it('shows relative times, and the exact time on the page of the device', async () => {
      const [desktop] = await threeDevices()
      const page = await desktop.get('/account')
      const time = /<time datetime="([^"]+)"[^>]*>just now<\/time>/.exec(page.text)
      expect(Date.parse(time?.[1] ?? '')).to.be.closeTo(Date.now(), SLACK)
      const own = await desktop.get(devicePath(page, 'Firefox on Linux'))
      const exact = />(\w+ \d+, \d+, \d+:\d+ [AP]M UTC)</.exec(own.text.replace(/\s+/g, ' '))
      expect(Date.parse(exact?.[1] ?? '')).to.be.closeTo(Date.now(), 2 * SLACK)
    })

    it('shows a user agent as text, not as markup', async () => {
      await signedIn(grace, '<script>alert(1)</script>/1.0 (Windows NT 10.0)')
      const page = await (await signedIn(grace)).get('/account')
      expect(page.text)
        .to.include('&lt;script&gt;')
        .and.not.to.match(/<script>/i)
    })

    it('shows no address if a proxy forwards an invalid one', async () => {
      await browser().signIn(grace, { ip: `<b>${'x'.repeat(500)}` })
      const page = await (await signedIn(grace)).get('/account')
      expect(page.text).not.to.include('xxx')
    })

    it('keeps sessions of other users to itself', async () => {
      await threeDevices()
      const page = await (await signedIn(ada, FIREFOX)).get('/account')
      expect(deviceNames(page)).to.deep.equal(['Firefox on Linux'])
    })
  })

  describe('signing out one device', () => {
    it('asks, then signs out that device and no other', async () => {
      const [desktop, phone, linux] = await threeDevices()
      const path = signOutPath(await desktop.get('/account'), 'Safari on iPhone')
      const question = await desktop.get(path)
      expect(question.text).to.include('Safari on iPhone')
      expect(await isSignedIn(phone)).to.equal(true)

      expect((await desktop.submit(path)).headers.location).to.equal('/account')
      expect((await desktop.get('/account')).text).to.include('Safari on iPhone is signed out.')
      expect(await areSignedIn(desktop, phone, linux)).to.deep.equal([true, false, true])
    })

    it('refuses the handle of another user, who stays signed in (guarantee 3, owned)', async () => {
      const victim = await signedIn(grace, IPHONE)
      const [session] = await store.userSessions(grace.id)
      const path = `/account/sessions/${session?.handle}/sign-out`
      const stranger = await signedIn(ada)
      expect((await stranger.get(path)).status).to.equal(303)

      await stranger.submit(path, {}, '/account')
      expect((await stranger.get('/account')).text).to.include('not signed in any more')
      expect(await areSignedIn(victim, stranger)).to.deep.equal([true, true])
    })

    it('shows that the device is signed out already', async () => {
      const [desktop] = await threeDevices()
      const path = signOutPath(await desktop.get('/account'), 'Safari on iPhone')
      await desktop.submit(path)
      await desktop.submit(path, {}, '/account')
      expect((await desktop.get('/account')).text).to.include('not signed in any more')
    })
  })

  it('signs out the others and leaves exactly this device', async () => {
    const [desktop, phone, linux] = await threeDevices()
    await desktop.submit('/account/sign-out-others')
    const page = await desktop.get('/account')
    expect(page.text).to.include('Signed out 2 other devices.')
    expect(deviceNames(page)).to.deep.equal(['Chrome on Windows'])
    expect(await areSignedIn(desktop, phone, linux)).to.deep.equal([true, false, false])
    expect(await client.zCard(indexKey(grace))).to.equal(1)
  })

  describe('signing out everywhere', () => {
    it('leaves no device signed in, no session and no index key (guarantee 4, bounded)', async () => {
      const devices = await threeDevices()
      const ids = await client.zRange(indexKey(grace), 0, -1)
      expect(ids).to.have.length(3)
      await devices[0].submit('/account/sign-out-everywhere')
      expect(await client.exists(indexKey(grace))).to.equal(0)
      for (const id of ids) expect(await client.exists(`${prefixes.prefix}${id}`)).to.equal(0)
      expect((await devices[0].get('/sign-in')).text).to.include('You are signed out on 3 devices.')
      expect(await areSignedIn(...devices)).to.deep.equal([false, false, false])
    })

    it('does nothing without the right password', async () => {
      const devices = await threeDevices()
      await forgetPassword(grace)
      const question = await devices[0].get('/account/sign-out-everywhere')
      expect(question.headers.location).to.equal('/account/confirm?next=%2Faccount%2Fsign-out-everywhere')
      await devices[0].submit('/account/sign-out-everywhere', {}, '/account/confirm')
      expect(await devices[0].follow(await devices[0].confirm('wrong'))).to.include(
        'That is not your password.',
      )
      await devices[0].submit('/account/sign-out-everywhere', {}, '/account/confirm')
      expect(await areSignedIn(...devices)).to.deep.equal([true, true, true])
    })
  })

  describe('a new password', () => {
    const change = (device: Browser, current: string, wanted = 'a brand new one', repeat = wanted) =>
      device.submit('/account/password', { current, new: wanted, repeat })

    it('signs out the other devices and keeps this one, under a new session id', async () => {
      const [desktop, phone, linux] = await threeDevices()
      const before = desktop.sessionId()
      await change(desktop, grace.password)
      expect((await desktop.get('/account')).text).to.include('2 other devices signed out')
      expect(await areSignedIn(desktop, phone, linux)).to.deep.equal([true, false, false])
      expect(desktop.sessionId()).not.to.equal(before)
      expect(await client.zRange(indexKey(grace), 0, -1)).to.deep.equal([desktop.sessionId()])
    })

    it('is the one asked for from then on', async () => {
      const [desktop, phone] = await threeDevices()
      await change(desktop, grace.password)
      expect(await phone.follow(await phone.signIn(grace))).to.include('do not go together')
      const answer = await phone.signIn({ ...grace, password: 'a brand new one' })
      expect(answer.headers.location).to.equal('/account')
      const refused = await desktop.confirm(grace.password)
      expect(await desktop.follow(refused)).to.include('That is not your password.')
      expect(await areSignedIn(desktop, phone)).to.deep.equal([true, true])
    })

    it('keeps "remember me" and the time of the sign-in', async () => {
      const device = browser()
      await device.signIn(grace, { remember: 'yes' })
      const [before] = await store.userSessions(grace.id)
      await change(device, grace.password)
      const [after] = await store.userSessions(grace.id)
      expect(after?.data.signedInAt).to.be.a('string').that.equals(before?.data.signedInAt)
      expect(after?.expires.getTime()).to.be.closeTo(Date.now() + 30 * DAY, SLACK)
    })

    it('is refused if it is short or mistyped, or if the current one is wrong; no session is signed out', async () => {
      const devices = await threeDevices()
      for (const [current, wanted, repeat, problem] of [
        ['wrong', 'a brand new one', 'a brand new one', 'That is not your password.'],
        [grace.password, 'short', 'short', 'at least 8 characters'],
        [grace.password, 'a brand new one', 'a brand mew one', 'passwords differ'],
        [grace.password, grace.password, grace.password, 'That is the password that you have now.'],
      ] as const) {
        const page = await devices[0].follow(await change(devices[0], current, wanted, repeat))
        expect(page).to.include('Your password is unchanged.').and.include(problem)
        expect(page).not.to.include(wanted)
      }
      expect(await areSignedIn(...devices)).to.deep.equal([true, true, true])
      expect((await browser().signIn(grace)).headers.location).to.equal('/account')
    })

    it('beats a sign-in with the old one that is under way', async () => {
      const [desktop, thief] = [await signedIn(grace), browser(FIREFOX)]
      const set = store.set.bind(store)
      let changed = false
      // The thief's session is about to be written when the password changes.
      store.set = (async (sid: string, session: Parameters<typeof set>[1], callback?: () => void) => {
        if (session.userAgent === FIREFOX && session.userId && !changed) {
          changed = true
          await change(desktop, grace.password)
        }
        return callback ? set(sid, session, callback) : set(sid, session)
      }) as typeof store.set
      const answer = await thief.signIn(grace)
      expect(changed).to.equal(true)
      expect(answer.headers.location).to.equal('/sign-in')
      expect(await areSignedIn(desktop, thief)).to.deep.equal([true, false])
      expect(await client.zRange(indexKey(grace), 0, -1)).to.deep.equal([desktop.sessionId()])
    })

    const others: Record<string, (admin: Browser, device: Browser) => Promise<Response>> = {
      'an admin signs the user out': (admin) => admin.submit(`/admin/users/${grace.id}/sign-out`),
      'the user signs out everywhere': (_, device) => device.submit('/account/sign-out-everywhere'),
    }

    for (const [what, signOut] of Object.entries(others)) {
      for (const when of ['before', 'after'] as const) {
        it(`keeps no browser signed in if ${what} right ${when} it is stored`, async () => {
          const [admin, device, phone] = [await signedIn(ada), await signedIn(grace), await signedIn(grace)]
          const setPassword = users.setPassword.bind(users)
          users.setPassword = async (user, password) => {
            if (when === 'before') await signOut(admin, phone)
            const changed = await setPassword(user, password)
            users.passwordMatches = async () => true // the phone still types the old one
            if (when === 'after') await signOut(admin, phone)
            return changed
          }
          await change(device, grace.password)
          expect(await store.userSessions(grace.id)).to.deep.equal([])
          expect(await areSignedIn(admin, device, phone)).to.deep.equal([true, false, false])
        })
      }
    }
  })

  describe('signing in', () => {
    it('shows the same for a wrong name as for a wrong password', async () => {
      const answers: string[] = []
      for (const [name, password] of [
        ['nobody', grace.password],
        [grace.name, 'wrong'],
      ] as const) {
        const device = browser()
        const page = await device.follow(await device.signIn({ name, password }))
        expect(page).to.include('That name and password do not go together.').and.include(`value="${name}"`)
        answers.push(page.replace(/value="[^"]*"/g, ''))
      }
      expect(answers[0]).to.equal(answers[1])
    })

    it('sets a new session id, so that an id planted before is worthless', async () => {
      const device = await signedIn(grace)
      const planted = device.sessionId()
      const victim = device.copy()
      await device.submit('/sign-out', {}, '/account')
      await victim.signIn(ada)
      expect(victim.sessionId()).not.to.equal(planted)
      expect(await client.exists(`${prefixes.prefix}${planted}`)).to.equal(0)
    })

    it('redirects to the page that was asked for, but only within this app', async () => {
      const device = browser()
      const path = (await device.get('/account/password')).headers.location as string
      expect((await device.signIn(grace, { path })).headers.location).to.equal('/account/password')
      for (const next of [
        '//evil.example/account',
        '/\\evil.example/account',
        'https://evil.example/account',
        '/account//evil.example/../..',
        '/accounts',
        '/account?next=//evil.example',
      ]) {
        const path = `/sign-in?next=${encodeURIComponent(next)}`
        const lured = browser()
        expect((await lured.signIn(grace, { path })).headers.location, next).to.equal('/account')
        expect((await lured.get(path)).headers.location, next).to.equal('/account')
      }
    })

    it('redirects to no other site, although HTTP allows one in the first line of a request', async () => {
      expect(await getAbsolute(app, 'http://evil.example/account')).to.equal('/sign-in')
      expect(await getAbsolute(app, 'http://evil.example/account/password')).to.equal(
        '/sign-in?next=%2Faccount%2Fpassword',
      )
    })

    it('slows down after 20 wrong passwords from one address, and then refuses even the right one', async function () {
      this.timeout('5m')
      const device = browser()
      for (let i = 0; i < 20; i++) await device.signIn({ ...grace, password: `wrong ${i}` })
      const refused = await device.signIn(grace)
      expect(await device.follow(refused)).to.match(/Too many wrong passwords. Try again in 1[45] minutes./)
      expect(Number(refused.headers['retry-after'])).to.be.within(1, 900)
      expect(await isSignedIn(device)).to.equal(false)
      expect((await device.signIn(grace, { ip: '192.0.2.77' })).headers.location).to.equal('/account')
    })

    it('slows down after 50 wrong passwords for one name from many addresses, but not for signed-in users', async function () {
      this.timeout('5m')
      const owner = await signedIn(grace)
      const attempt = async (i: number, user: Person) => {
        const device = browser()
        const answer = await device.signIn(user, { ip: `192.0.2.${i}` })
        return { to: answer.headers.location, page: await device.follow(answer) }
      }
      for (let i = 0; i < 50; i++) {
        const { page } = await attempt(i, { name: i % 2 ? ' Grace ' : 'grace', password: 'wrong' })
        expect(page).to.include('do not go together')
      }
      expect((await attempt(99, grace)).page).to.include('Too many wrong passwords.')
      expect((await attempt(99, ada)).to).to.equal('/account')
      expect((await owner.confirm(grace.password)).headers.location).to.equal('/account')
    })

    it('slows down a guesser of passwords in a stolen session, from many addresses', async function () {
      this.timeout('5m')
      const thief = await signedIn(grace)
      const guess = async (i: number) => {
        const form = hidden(await thief.get('/account/confirm'))
        const fields = { password: 'wrong', ...form }
        return thief.follow(await thief.post('/account/confirm', fields, { ip: `192.0.2.${i}` }))
      }
      for (let i = 0; i < 50; i++) expect(await guess(i)).to.include('That is not your password.')
      expect(await guess(50)).to.include('Too many wrong passwords.')
    })

    it('counts no forms of other sites, which know no CSRF token', async function () {
      this.timeout('5m')
      const victim = browser()
      for (let i = 0; i < 25; i++) {
        expect((await browser().post('/sign-in', { name: grace.name, password: 'x' })).status).to.equal(403)
      }
      expect((await victim.signIn(grace)).status).to.equal(303)
    })

    it('writes nothing to Redis for a visitor who only reads pages', async () => {
      const visitor = browser()
      for (const path of [
        '/',
        '/sign-in',
        '/account',
        '/admin',
        '/nowhere',
        '/style.css',
        '/account/events',
      ]) {
        await visitor.get(path)
      }
      const own = prefixes.prefix.replace(/session:$/, '')
      expect(await client.keys(`${own}*`)).to.deep.equal([])
      expect(visitor.cookie('sid')).to.equal(undefined)
    })

    it('lasts 12 hours without "remember me"', async () => {
      const device = await signedIn(grace)
      expect(device.cookieExpiry()).to.be.closeTo(Date.now() + 12 * HOUR, SLACK)
    })

    it('"remember me" sets a cookie of 30 days that later requests keep (guarantee 6, true expiry)', async () => {
      const device = browser()
      await device.signIn(grace, { remember: 'yes' })
      for (const path of ['/account', '/account/password', '/account']) {
        expect(device.cookieExpiry()).to.be.closeTo(Date.now() + 30 * DAY, SLACK)
        await device.get(path)
      }
      expect(device.cookieExpiry()).to.be.closeTo(Date.now() + 30 * DAY, SLACK)
      const score = await client.zScore(indexKey(grace), device.sessionId())
      const expires = await client.pExpireTime(`${prefixes.prefix}${device.sessionId()}`)
      expect(expires).to.be.closeTo(Date.now() + 30 * DAY, SLACK)
      expect(score).to.be.within(expires, expires + (30 * DAY) / 8 + SLACK)
    })
  })

  describe('signing out', () => {
    it('ends the session in Redis, not only the cookie', async () => {
      const device = await signedIn(grace)
      const [copy, id] = [device.copy(), device.sessionId()]
      await device.submit('/sign-out', {}, '/account')
      expect(await client.exists(`${prefixes.prefix}${id}`)).to.equal(0)
      expect(await areSignedIn(device, copy)).to.deep.equal([false, false])
      expect(await client.exists(indexKey(grace))).to.equal(0)
    })

    it('from another device redirects the browser to the sign-in page, which shows the reason', async () => {
      const [desktop, phone] = await threeDevices()
      await desktop.submit('/account/sign-out-others')
      const answer = await phone.get('/account')
      expect(answer.status).to.equal(303)
      expect(answer.headers.location).to.equal('/sign-in')
      expect(await phone.follow(answer)).to.include('You were signed out on this device.')
      expect((await phone.get('/sign-in')).text).not.to.include('You were signed out')
    })

    it('redirects a form that was still open to the sign-in page as well', async () => {
      const [desktop, phone] = await threeDevices()
      const form = await phone.get('/account/sign-out-others')
      await desktop.submit('/account/sign-out-others')
      const answer = await phone.post('/account/sign-out-others', hidden(form))
      expect(answer.headers.location).to.equal('/sign-in?next=%2Faccount%2Fsign-out-others')
      expect(await isSignedIn(desktop)).to.equal(true)
    })
  })

  describe('the admin page', () => {
    it('changes a role in all sessions of the user at once, without signing in again', async () => {
      const [desktop, phone] = await threeDevices()
      const admin = await signedIn(ada)
      expect((await desktop.get('/admin')).status).to.equal(403)

      await admin.submit(`/admin/users/${grace.id}/role`, { role: 'admin' }, '/admin')
      expect((await admin.get('/admin')).text).to.include(
        'The role of grace is admin now, on 3 devices at once.',
      )
      expect((await desktop.get('/admin')).status).to.equal(200)
      expect((await phone.get('/admin')).status).to.equal(200)

      await admin.submit(`/admin/users/${grace.id}/role`, { role: 'member' }, '/admin')
      expect((await desktop.get('/admin')).status).to.equal(403)
      expect((await phone.get('/admin')).status).to.equal(403)
    })

    it('removes a role even from a request in flight (guarantee 5, nothing lost)', async () => {
      const [desktop] = await threeDevices()
      const admin = await signedIn(ada)
      const get = store.get.bind(store)
      let paused = false
      // The role changes after the request loaded its session, and before it saves it with a new address.
      store.get = (async (sid: string, callback?: (error: unknown, session?: unknown) => void) => {
        const session = await get(sid)
        if (sid === desktop.sessionId() && !paused) {
          paused = true
          await admin.submit(`/admin/users/${grace.id}/role`, { role: 'member' }, '/admin')
        }
        callback?.(null, session)
        return session
      }) as typeof store.get
      await desktop.get('/account', { ip: '192.0.2.99' })
      expect(paused).to.equal(true)
      const session = await get(desktop.sessionId())
      expect(session).to.include({ role: 'member', ip: '192.0.2.99' })
    })

    it('shows that another admin changed the user at the same moment', async () => {
      const admin = await signedIn(ada)
      users.setRole = () => undefined
      const answer = await admin.submit(`/admin/users/${grace.id}/role`, { role: 'admin' }, '/admin')
      expect(await admin.follow(answer)).to.include('Somebody else changed this user at the same moment.')
    })

    it('asks, then signs this user out everywhere, and no other user', async () => {
      const devices = await threeDevices()
      const admin = await signedIn(ada)
      await admin.submit(`/admin/users/${grace.id}/sign-out`)
      expect((await admin.get('/admin')).text).to.include('grace is signed out on 3 devices.')
      expect(await areSignedIn(admin, ...devices)).to.deep.equal([true, false, false, false])
    })

    it('does not sign out the admin: that requires a password', async () => {
      const admin = await signedIn(ada)
      const path = `/admin/users/${ada.id}/sign-out`
      expect((await admin.get(path)).status).to.equal(400)
      expect((await admin.submit(path, {}, '/admin')).status).to.equal(400)
      expect(await isSignedIn(admin)).to.equal(true)
    })

    it('refuses unknown roles, unknown users and a change of one’s own role', async () => {
      const admin = await signedIn(ada)
      const statusOf = async (path: string, role: string) =>
        (await admin.submit(path, { role }, '/admin')).status
      expect(await statusOf(`/admin/users/${grace.id}/role`, 'emperor')).to.equal(400)
      expect(await statusOf(`/admin/users/${ada.id}/role`, 'member')).to.equal(400)
      expect(await statusOf('/admin/users/99/role', 'member')).to.equal(404)
      const [session] = await store.userSessions(ada.id)
      expect(session?.data.role).to.equal('admin')
    })

    it('is closed to everybody else', async () => {
      const device = await signedIn(grace)
      for (const path of [`/admin/users/${ada.id}/role`, `/admin/users/${ada.id}/sign-out`]) {
        expect((await device.submit(path, { role: 'member' }, '/account')).status).to.equal(403)
      }
      expect((await browser().get('/admin')).headers.location).to.equal('/sign-in?next=%2Fadmin')
    })
  })

  describe('a page that is out of date', () => {
    it('from before another sign-in redirects to the page of the new sign-in', async () => {
      const device = browser()
      const open = hidden(await device.get('/sign-in?next=/account/password'))
      await device.signIn(grace)
      const fields = { name: grace.name, password: grace.password }
      const answer = await device.post('/sign-in?next=/account/password', { ...fields, ...open })
      expect(answer.headers.location).to.equal('/account/password')
      expect(await device.follow(answer)).to.include('You are signed in already, as grace.')
      expect((await device.get('/sign-in')).headers.location).to.equal('/account')
      expect(await store.userSessions(grace.id)).to.have.length(1)
    })

    it('shows a new form, which works, and changes nothing', async () => {
      const device = await signedIn(grace)
      const page = hidden(await device.get('/account/sign-out-others'))
      const other = await signedIn(grace)
      await device.submit('/sign-out', {}, '/account')
      await device.signIn(grace)
      const answer = await device.post('/account/sign-out-others', page)
      expect(answer.status).to.equal(303)
      expect(answer.headers.location).to.equal('/account/sign-out-others')
      expect(await device.follow(answer)).to.include(
        'This page was out of date. Nothing was changed. Please try again.',
      )
      expect(await isSignedIn(other)).to.equal(true)
      await device.submit('/account/sign-out-others')
      expect(await isSignedIn(other)).to.equal(false)
    })

    it('shows a new sign-in page to a visitor who has lost the cookies', async () => {
      const form = hidden(await browser().get('/sign-in'))
      const device = browser()
      const fields = { name: grace.name, password: grace.password }
      const answer = await device.post('/sign-in', { ...fields, ...form })
      expect(answer.headers.location).to.equal('/sign-in')
      expect((await device.signIn(grace)).headers.location).to.equal('/account')
    })
  })

  describe('messages', () => {
    it('are shown once, and reloading asks for no form again', async () => {
      const device = browser()
      const answer = await device.signIn({ ...grace, password: 'wrong' })
      expect(answer.status).to.equal(303)
      const [shown, reloaded] = [await device.get('/sign-in'), await device.get('/sign-in')]
      expect(shown.text).to.include('do not go together')
      expect(reloaded.text).not.to.include('do not go together')
    })

    it('appear only on pages, and cannot be forged', async () => {
      const device = await signedIn(grace)
      await device.submit('/account/sign-out-others')
      for (const path of ['/style.css', '/account/devices', '/account/state']) await device.get(path)
      expect((await device.get('/account')).text).to.include('No other device was signed in.')
      const flash = encodeURIComponent(`j:${JSON.stringify({ kind: 'success', text: 'Call 555-1234' })}`)
      device.receive([`flash=${flash}`])
      expect((await device.get('/account')).text).not.to.include('555-1234')
    })

    it('keep the typed text up to the size of a cookie, but no password', async () => {
      const device = browser()
      const answer = await device.signIn(
        { name: 'x'.repeat(5000), password: 'my secret' },
        { remember: 'yes' },
      )
      expect(JSON.stringify(answer.headers)).not.to.include('secret')
      const page = await device.follow(answer)
      expect(page)
        .to.include(`value="${'x'.repeat(100)}"`)
        .and.match(/value="yes"\s+checked/)
    })
  })

  describe('before dangerous actions', () => {
    const old = '/account/confirm?next=%2Faccount%2Fsign-out-everywhere'

    it('the password is asked for again, unless it was typed not long ago', async () => {
      const [device, other] = [await signedIn(grace), await signedIn(grace)]
      expect((await device.get('/account/sign-out-everywhere')).status).to.equal(200)
      const form = hidden(await device.get('/account/sign-out-everywhere'))
      await forgetPassword(grace)
      expect((await device.post('/account/sign-out-everywhere', form)).headers.location).to.equal(old)
      expect(await areSignedIn(device, other)).to.deep.equal([true, true])

      const answer = await device.submit(old, { password: grace.password })
      expect(answer.headers.location).to.equal('/account/sign-out-everywhere')
      expect((await other.get('/account/sign-out-everywhere')).headers.location, 'another session').to.equal(
        old,
      )
      await device.submit('/account/sign-out-everywhere')
      expect(await areSignedIn(device, other)).to.deep.equal([false, false])
    })

    it('admins are asked as well', async () => {
      const admin = await signedIn(ada)
      const device = await signedIn(grace)
      await forgetPassword(ada)
      const role = await admin.submit(`/admin/users/${grace.id}/role`, { role: 'member' }, '/admin')
      expect(role.headers.location).to.equal('/account/confirm?next=%2Fadmin')
      const path = `/admin/users/${grace.id}/sign-out`
      const to = `/account/confirm?next=${encodeURIComponent(path)}`
      expect((await admin.get(path)).headers.location).to.equal(to)
      expect((await admin.submit(path, {}, '/admin')).headers.location).to.equal(to)
      expect(await isSignedIn(device)).to.equal(true)
      expect((await store.userSessions(grace.id))[0]?.data.role).to.equal('editor')
      expect((await admin.submit(to, { password: ada.password })).headers.location).to.equal(path)
      await admin.submit(path)
      expect(await isSignedIn(device)).to.equal(false)
    })
  })

  describe('safety', () => {
    it('refuses every form without its CSRF token, and changes nothing', async () => {
      const [victim, other] = [await signedIn(ada), await signedIn(ada)]
      for (const path of [
        '/sign-out',
        '/account/sign-out-others',
        '/account/sign-out-everywhere',
        '/account/password',
        `/account/sessions/${(await store.userSessions(ada.id))[0]?.handle}/sign-out`,
        `/admin/users/${grace.id}/role`,
        `/admin/users/${grace.id}/sign-out`,
      ]) {
        const fields = {
          password: ada.password,
          current: ada.password,
          new: 'stolen it',
          repeat: 'stolen it',
        }
        for (const forged of [fields, { ...fields, _csrf: '' }]) {
          expect((await victim.post(path, forged)).status, path).to.equal(403)
        }
        const answer = await victim.post(path, { ...fields, _csrf: 'x' })
        expect(await victim.follow(answer), path).to.include('Nothing was changed.')
      }
      expect(await areSignedIn(victim, other)).to.deep.equal([true, true])
      const stranger = browser()
      await stranger.get('/sign-in')
      expect((await stranger.post('/sign-in', { name: ada.name, password: ada.password })).status).to.equal(
        403,
      )
    })

    it('shows a session id on no page and in no address', async () => {
      const devices = [...(await threeDevices()), await signedIn(ada), await signedIn(ada, IPHONE)]
      const ids = devices.map((device) => device.sessionId())
      const [desktop, admin] = [devices[0] as Browser, devices[3] as Browser]
      const list = await desktop.get('/account')
      const one = signOutPath(list, 'Safari on iPhone')
      const pages = [
        ...(await desktop.getAll([
          '/account',
          one,
          '/account/sign-out-others',
          '/account/sign-out-everywhere',
        ])),
        ...(await desktop.getAll(['/account/password', '/nowhere', '/admin', '/sign-in'])),
        ...(await admin.getAll(['/account', '/admin', `/admin/users/${grace.id}/sign-out`])),
        await browser().get('/sign-in'),
        ...(await desktop.getAll([
          '/account/history',
          '/account/confirm',
          devicePath(list, 'Safari on iPhone'),
        ])),
        await desktop.confirm('wrong'),
        await desktop.submit('/account/password', { current: 'wrong' }),
        await desktop.submit(one),
      ]
      for (const page of pages) {
        for (const id of ids) {
          const { 'set-cookie': cookies, ...headers } = page.headers
          expect(page.text + JSON.stringify(headers), page.request.url).not.to.include(id)
          const others = ((cookies ?? []) as unknown as string[]).filter(
            (cookie) => !cookie.startsWith('sid='),
          )
          expect(others.join(), page.request.url).not.to.include(id)
        }
      }
    })

    it('sends no page without a strict Content-Security-Policy and Cache-Control: no-store', async () => {
      const device = await signedIn(grace)
      for (const page of await device.getAll(['/account', '/account/password', '/nowhere', '/admin'])) {
        expect(page.headers['content-security-policy']).to.match(/^default-src 'none';/)
        expect(page.headers['content-security-policy']).to.include("script-src 'self';")
        expect(page.headers['content-security-policy']).not.to.match(/unsafe|\*/)
        expect(page.headers['cache-control']).to.equal('no-store')
        for (const script of page.text.match(/<script[\s\S]*?<\/script>/gi) ?? [])
          expect(script).to.match(/^<script type="module" src="\/\w+\.js"><\/script>$/)
        expect(page.text).not.to.match(/<style| style=| on[a-z]+=/i)
      }
    })

    it('sends cookies as HttpOnly and SameSite=Lax, and as Secure over https', async () => {
      for (const protocol of ['http', 'https']) {
        const { _csrf, cookie } = await form(protocol)
        const asked = request(app)
          .post('/sign-in')
          .type('form')
          .send({ ...grace, _csrf })
        const answer = await asked.set({ cookie: cookie.join('; '), 'X-Forwarded-Proto': protocol })
        const cookies = [...cookie, ...(answer.get('Set-Cookie') ?? [])]
        expect(cookies.map((cookie) => cookie.split('=')[0])).to.have.members([
          'browser',
          'csrf',
          'flash',
          'sid',
        ])
        for (const cookie of cookies) {
          expect(cookie)
            .to.match(/HttpOnly/)
            .and.match(/SameSite=Lax/)
          expect(cookie.includes('Secure')).to.equal(protocol === 'https')
        }
      }

      async function form(protocol: string) {
        const page = await request(app).get('/sign-in').set('X-Forwarded-Proto', protocol)
        return { ...hidden(page), cookie: page.get('Set-Cookie') ?? [] }
      }
    })

    it('answers odd bodies with a page, not with a stack trace', async () => {
      const device = browser()
      const { _csrf } = hidden(await device.get('/sign-in'))
      for (const body of ['name=a&name=b&password=c&password=d', 'name[x]=1', '%', '__proto__=1']) {
        const page = await device.post('/sign-in', `${body}&_csrf=${_csrf}`)
        const text = page.status === 303 ? await device.follow(page) : page.text
        expect(page.status).to.be.within(303, 499)
        expect(text).not.to.match(/node_modules|at .*\.ts/)
      }
      const tooLong = await device.post('/sign-in', 'x'.repeat(20_000))
      expect(tooLong.status).to.equal(413)
      expect(tooLong.text)
        .to.include('That did not work')
        .and.not.to.match(/node_modules|at .*\.ts/)
    })

    it('shows an error page without details if Redis fails', async () => {
      const device = await signedIn(grace)
      const own = await connect()
      app = createApp({ ...options(), store: new UserSessionStore({ client: own, ...prefixes }) })
      await own.close()
      const logged: unknown[] = []
      const { error } = console
      console.error = (...args) => logged.push(...args)
      try {
        const page = await device.copy(app).get('/account')
        expect(page.status).to.equal(503)
        expect(page.text).to.include('Please try again in a moment')
        expect(page.text).not.to.match(/closed|redis:|node_modules|at .*\.ts/i)
      } finally {
        console.error = error
      }
      expect(logged).to.have.length(1)
    })

    it('lets the user of a session that cannot be read sign in again', async () => {
      const device = await signedIn(grace)
      const broken = device.sessionId()
      await client.set(`${prefixes.prefix}${broken}`, '{', { expiration: 'KEEPTTL' })
      expect((await device.get('/account')).headers.location).to.equal('/sign-in')
      expect((await device.signIn(grace)).status).to.equal(303)
      expect(await isSignedIn(device)).to.equal(true)
      expect(await client.zRange(indexKey(grace), 0, -1)).to.deep.equal([device.sessionId()])
    })
  })
})
