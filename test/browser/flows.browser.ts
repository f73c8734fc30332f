/** The actions of users on the account page, in two real browsers, with and without JavaScript. */
import { expect } from 'chai'
import type { Browser } from 'playwright-core'
import { demoUsers } from '../../examples/express-app/users.ts'
import { Device, IPHONE, type Look, launchChromium, PHONE } from './device.ts'
import { Site } from './site.ts'

const [ada, grace] = demoUsers
const MINUTE = 60_000
const DAY = 86_400_000

for (const javaScriptEnabled of [true, false]) {
  describe(`The example in two browsers, JavaScript ${javaScriptEnabled ? 'on' : 'off'}`, () => {
    let browser: Browser
    let site: Site
    let desktop: Device
    let phone: Device

    before(async () => {
      browser = await launchChromium()
    })

    after(() => browser?.close())

    beforeEach(async () => {
      site = await Site.open()
      desktop = await device()
      phone = await device({ userAgent: IPHONE, viewport: PHONE, ip: '192.0.2.20' })
    })

    afterEach(async () => {
      await Promise.all([desktop.close(), phone.close()])
      await site?.close()
      expectNoIdIn(site)
    })

    const device = (look: Look = {}) => Device.open(browser, site, { javaScriptEnabled, ...look })

    const bothSignIn = async () => {
      await phone.signIn(grace)
      await desktop.signIn(grace)
    }

    it('each sees both, itself first and marked', async () => {
      await bothSignIn()
      expect(await desktop.devices()).to.deep.equal(['Chrome on Windows', 'Safari on iPhone'])
      expect(await phone.devices()).to.deep.equal(['Safari on iPhone', 'Chrome on Windows'])
      const current = phone.page.locator('[aria-current=true]')
      expect(await current.count()).to.equal(1)
      expect(await current.innerText()).to.include('192.0.2.20')
      expect(await phone.page.getByRole('heading', { level: 2 }).allInnerTexts()).to.deep.equal([
        'This device',
        'Computers',
        'Sign out several devices',
      ])
    })

    it('shows how long ago in the list, and the exact time on a device’s page', async () => {
      const abroad = await device({ timezoneId: 'Asia/Tokyo' })
      await abroad.signIn(grace)
      await phone.signIn(grace)
      await abroad.open('/account')
      const times = abroad.page.getByRole('listitem').nth(1).locator('time')
      expect(await times.allInnerTexts()).to.deep.equal(['just now', 'just now'])
      const exact = await times.first().getAttribute('title')
      await abroad.follow('Safari on iPhone')
      // The local time of the user, or without JavaScript the time in UTC.
      const zone = javaScriptEnabled ? 'Asia/Tokyo' : 'UTC'
      const at = new Date((await abroad.page.locator('time').first().getAttribute('datetime')) ?? '')
      const local = at.toLocaleString('en', { dateStyle: 'medium', timeStyle: 'short', timeZone: zone })
      const expected = javaScriptEnabled ? local : `${local} UTC`
      expect(exact).to.equal(expected)
      expect(await abroad.page.locator('time').first().innerText()).to.equal(expected)
      await abroad.close()
    })

    it('signs out one device: it asks first, can be cancelled, and the other device shows it', async () => {
      await bothSignIn()
      await desktop.follow('Sign out Safari on iPhone')
      expect(await desktop.heading()).to.equal('Sign out Safari on iPhone?')
      await desktop.follow('Cancel')
      expect(await phone.isSignedIn()).to.equal(true)

      await desktop.open('/account')
      await desktop.follow('Sign out Safari on iPhone')
      await desktop.press('Sign out Safari on iPhone')
      expect(await desktop.text()).to.include('Safari on iPhone is signed out.')
      expect(await desktop.devices()).to.deep.equal(['Chrome on Windows'])
      expect(await desktop.text()).to.include('No other device is signed in')

      // With JavaScript the page turns by itself.
      if (javaScriptEnabled) await phone.page.waitForURL('**/sign-in')
      else expect(await phone.isSignedIn()).to.equal(false)
      expect(phone.path).to.equal('/sign-in')
      expect(await phone.text()).to.include('You were signed out on this device.')
    })

    it('signs out the others and stays', async () => {
      const third = await device()
      await third.signIn(grace)
      await bothSignIn()
      await phone.open('/account')
      await phone.follow('Sign out the others')
      expect(await phone.text()).to.include('Chrome on Windows')
      await phone.press('Sign out 2 devices')
      expect(await phone.text()).to.include('Signed out 2 other devices.')
      expect([await phone.isSignedIn(), await desktop.isSignedIn(), await third.isSignedIn()]).to.deep.equal([
        true,
        false,
        false,
      ])
      await third.close()
    })

    it('signs out everywhere, after asking for the password if it was typed long ago', async () => {
      await bothSignIn()
      await site.store.updateUser(grace.id, { passwordAt: new Date(Date.now() - 11 * MINUTE).toISOString() })
      await desktop.follow('Sign out everywhere')
      expect(await desktop.heading()).to.equal('Type your password')
      await desktop.fill({ Password: 'wrong' })
      await desktop.press('Continue')
      expect(await desktop.text()).to.include('That is not your password.')
      expect(await phone.isSignedIn()).to.equal(true)

      await desktop.fill({ Password: grace.password })
      await desktop.press('Continue')
      expect(await desktop.heading()).to.equal('Sign out everywhere?')
      await desktop.press('Sign out everywhere')
      expect(desktop.path).to.equal('/sign-in')
      expect(await desktop.text()).to.include('You are signed out on 2 devices.')
      expect(await phone.isSignedIn()).to.equal(false)
      expect(await site.store.userSessions(grace.id)).to.deep.equal([])
    })

    it('does not ask for a password that was typed just now', async () => {
      await desktop.signIn(grace)
      await desktop.follow('Sign out everywhere')
      expect(await desktop.heading()).to.equal('Sign out everywhere?')
    })

    it('a new password signs out the other device, which needs it from then on', async () => {
      await bothSignIn()
      const before = (await desktop.cookie())?.value
      await desktop.follow('Password')
      const fields = { 'New password': 'a brand new one', 'New password, once more': 'a brand new one' }
      await desktop.fill({ 'Current password': grace.password, ...fields })
      await desktop.press('Change password')
      expect(await desktop.text()).to.include('1 other device signed out')
      expect(await desktop.devices()).to.have.length(1)
      expect((await desktop.cookie())?.value).not.to.equal(before)

      expect(await phone.isSignedIn()).to.equal(false)
      await phone.signIn(grace)
      expect(await phone.text()).to.include('That name and password do not go together.')
      await phone.signIn({ name: grace.name, password: 'a brand new one' })
      expect(await phone.heading()).to.equal('Your devices')
    })

    it('"remember me" sets a cookie of 30 days that later visits keep', async () => {
      await phone.signIn(grace, { remember: true })
      for (const path of ['/account', '/account/password', '/account']) {
        await phone.open(path)
        const cookie = await phone.cookie()
        expect((cookie?.expires ?? 0) * 1000).to.be.closeTo(Date.now() + 30 * DAY, 60_000)
        expect(cookie).to.include({ httpOnly: true, sameSite: 'Lax' })
      }
    })

    it('a role that an admin grants counts on every device at once', async () => {
      await bothSignIn()
      const admin = await device()
      await admin.signIn(ada)
      for (const [role, allowed] of [
        ['admin', true],
        ['member', false],
      ] as const) {
        await admin.follow('Admin')
        await admin.page.getByLabel('Role of grace').selectOption(role)
        await admin.press('Save the role of grace')
        expect(await admin.text()).to.include(`The role of grace is ${role} now, on 2 devices at once.`)
        for (const device of [desktop, phone]) {
          await device.open('/admin')
          expect(await device.heading()).to.equal(allowed ? 'Users' : 'Not allowed')
          expect(await device.page.getByRole('banner').innerText()).to.include(role)
        }
      }
      await admin.close()
    })

    it('an admin signs a user out', async () => {
      await bothSignIn()
      const admin = await device()
      await admin.signIn(ada)
      await admin.follow('Admin')
      await admin.follow('Sign out grace')
      await admin.press('Sign out grace everywhere')
      expect(await admin.text()).to.include('grace is signed out on 2 devices.')
      expect([await desktop.isSignedIn(), await phone.isSignedIn(), await admin.isSignedIn()]).to.deep.equal([
        false,
        false,
        true,
      ])
      await admin.close()
    })

    it('after signing out, the back button shows nothing of the account', async () => {
      await desktop.signIn(grace)
      await desktop.signOut()
      expect(await desktop.text()).to.include('You are signed out on this device.')
      await desktop.page.goBack()
      await desktop.page.waitForURL('**/sign-in')
      expect(await desktop.text()).not.to.include('Your devices')
    })

    it('the page of each session offers to sign it out and to set a new password', async () => {
      await bothSignIn()
      await desktop.open('/account')
      await desktop.follow('Safari on iPhone')
      expect(await desktop.heading()).to.equal('Safari on iPhone')
      expect(await desktop.text())
        .to.include('192.0.2.20')
        .and.to.include('First seen')
        .and.to.include('Signed in with')
      await desktop.press('No, secure my account')
      expect(await desktop.heading()).to.equal('Change your password')
      expect(await desktop.text()).to.include('Safari on iPhone is signed out. Now choose a new password.')
      expect(await phone.isSignedIn()).to.equal(false)
    })

    it('the history keeps sessions that are over', async () => {
      await bothSignIn()
      await phone.signOut()
      await desktop.follow('History')
      const [first, second] = await desktop.page.getByRole('listitem').allInnerTexts()
      expect(first).to.include('Chrome on Windows').and.not.to.include('Signed out')
      expect(second).to.include('Safari on iPhone').and.to.include('Signed out on the device')
      await desktop.page.getByRole('link', { name: 'Safari on iPhone' }).click()
      await desktop.page.getByText('Was this you?').waitFor()
      expect(await desktop.text()).to.include('Signed out on the device')
    })

    it('a browser that was not used before is marked, and one that was is not', async () => {
      await bothSignIn()
      const item = desktop.page.getByRole('listitem').filter({ hasText: 'Safari on iPhone' })
      await desktop.open('/account')
      expect(await item.innerText()).to.include('New')
      await phone.signOut()
      await phone.signIn(grace)
      await desktop.open('/account')
      expect(await item.innerText()).not.to.include('New')
    })

    it('a sign-in redirects to the page that was asked for', async () => {
      await desktop.open('/account/password')
      expect(desktop.path).to.equal('/sign-in')
      await desktop.fill({ Name: grace.name, Password: grace.password })
      await desktop.press('Sign in')
      expect(await desktop.heading()).to.equal('Change your password')
    })
  })
}

/** No page, address or header, but for the cookie itself, ever held a session id. */
function expectNoIdIn({ ids, sent }: Site): void {
  expect(ids).not.to.have.property('size', 0)
  expect(sent.filter(({ text }) => text.includes('<h1>'))).not.to.have.length(0)
  for (const { url, text } of sent) {
    for (const id of ids) expect(url + text, url).not.to.include(id)
  }
}
