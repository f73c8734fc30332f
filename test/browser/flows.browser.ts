/** What people do on the account page, in two real browsers, with JavaScript and without. */
import { expect } from 'chai'
import type { Browser } from 'playwright-core'
import { demoUsers } from '../../examples/express-app/users.ts'
import { Device, IPHONE, type Look, launchChromium, PHONE } from './device.ts'
import { Site } from './site.ts'

const [ada, grace] = demoUsers
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
      expect(await desktop.devices()).to.deep.equal(['Chrome on Windows This device', 'Safari on iPhone'])
      expect(await phone.devices()).to.deep.equal(['Safari on iPhone This device', 'Chrome on Windows'])
      const current = phone.page.locator('[aria-current=true]')
      expect(await current.count()).to.equal(1)
      expect(await current.innerText()).to.include('192.0.2.20')
      const other = phone.page.getByRole('listitem').nth(1).locator('time').first()
      expect(await other.innerText()).to.equal('just now')
      expect(await other.getAttribute('title')).to.match(
        /^\w+day, \w+ \d+, \d{4} at \d+:\d\d:\d\d\s[AP]M UTC$/,
      )
    })

    it('signs out one: asks, can be cancelled, and says so on the other side', async () => {
      await bothSignIn()
      await desktop.follow('Sign out Safari on iPhone')
      expect(await desktop.heading()).to.equal('Sign out this device?')
      await desktop.follow('Cancel')
      expect(await phone.isSignedIn()).to.equal(true)

      await desktop.open('/account')
      await desktop.follow('Sign out Safari on iPhone')
      await desktop.press('Sign out')
      expect(await desktop.text()).to.include('That device is signed out.')
      expect(await desktop.devices()).to.deep.equal(['Chrome on Windows This device'])

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

    it('signs out everywhere, after asking for the password', async () => {
      await bothSignIn()
      await desktop.follow('Sign out everywhere')
      await desktop.fill({ Password: 'wrong' })
      await desktop.press('Sign out everywhere')
      expect(await desktop.text()).to.include('That is not your password.')
      expect(await phone.isSignedIn()).to.equal(true)

      await desktop.fill({ Password: grace.password })
      await desktop.press('Sign out everywhere')
      expect(desktop.path).to.equal('/sign-in')
      expect(await desktop.text()).to.include('You are signed out on 2 devices.')
      expect(await phone.isSignedIn()).to.equal(false)
      expect(await site.store.userSessions(grace.id)).to.deep.equal([])
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

    it('"remember me" gives a cookie of 30 days that later visits keep', async () => {
      await phone.signIn(grace, { remember: true })
      for (const path of ['/account', '/account/password', '/account']) {
        await phone.open(path)
        const cookie = await phone.cookie()
        expect((cookie?.expires ?? 0) * 1000).to.be.closeTo(Date.now() + 30 * DAY, 60_000)
        expect(cookie).to.include({ httpOnly: true, sameSite: 'Lax' })
      }
    })

    it('a role that an admin gives counts on every device at once', async () => {
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
      await admin.press('Sign out everywhere')
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
      await desktop.page.getByRole('banner').getByRole('button', { name: 'Sign out' }).click()
      expect(await desktop.text()).to.include('You are signed out.')
      await desktop.page.goBack()
      await desktop.page.waitForURL('**/sign-in')
      expect(await desktop.text()).not.to.include('Your devices')
    })

    it('signing in leads to the page that was asked for', async () => {
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
