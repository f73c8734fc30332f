/** An open page in a real browser. It updates the devices by itself, and leaves when it is signed out elsewhere. */
import { expect } from 'chai'
import type { Browser } from 'playwright-core'
import { demoUsers } from '../../examples/express-app/users.ts'
import { DESKTOP, Device, FIREFOX, IPHONE, launchChromium, PHONE } from './device.ts'
import { Site } from './site.ts'

const [ada, grace] = demoUsers

describe('The example in two browsers, live', () => {
  let browser: Browser
  let site: Site
  let desktop: Device
  let phone: Device
  let problems: string[]

  before(async () => {
    browser = await launchChromium()
  })

  after(() => browser.close())

  beforeEach(async () => {
    problems = []
    site = await Site.open()
    desktop = await Device.open(browser, site, { viewport: DESKTOP })
    phone = await Device.open(browser, site, { userAgent: IPHONE, viewport: PHONE })
    for (const { page } of [desktop, phone]) {
      page.on('pageerror', (error) => problems.push(String(error)))
      // A page may ask whether it is still signed in, and get the answer 401.
      page.on('console', (message) => {
        if (message.type() === 'error' && !message.text().includes('401')) problems.push(message.text())
      })
    }
  })

  afterEach(async () => {
    await Promise.all([desktop.close(), phone.close()])
    await site.close()
    expect(problems).to.deep.equal([])
  })

  /** The text that a screen reader announces on an open page. */
  const news = ({ page }: Device) => page.getByRole('status')

  const eventsOf = ({ page }: Device) =>
    page.waitForResponse((response) => response.url().endsWith('/account/events'))

  async function open(device: Device, user: (typeof demoUsers)[number] = grace): Promise<void> {
    const events = eventsOf(device)
    await device.signIn(user)
    await events
  }

  it('a device that signs in appears on the other, and disappears when it signs out', async () => {
    await open(desktop)
    await desktop.pointNowhere()
    expect(await desktop.shown()).to.deep.equal(['Chrome on Windows'])
    await phone.signIn(grace)
    await desktop.page.getByRole('link', { name: 'Safari on iPhone', exact: true }).waitFor()
    expect(await desktop.shown()).to.deep.equal(['Chrome on Windows', 'Safari on iPhone'])
    await phone.signOut()
    await desktop.page.getByText('No other device is signed in').waitFor()
    expect(await desktop.shown()).to.deep.equal(['Chrome on Windows'])
  })

  it('the name of a device comes from the requests for pages, not from those of its script', async () => {
    const cookie = await site.signIn(grace, FIREFOX)
    const ask = (path: string) =>
      fetch(site.url + path, {
        headers: { cookie: `sid=${encodeURIComponent(cookie)}`, 'user-agent': IPHONE },
      })
    const userAgents = async () => (await site.store.userSessions(grace.id)).map(({ data }) => data.userAgent)
    for (const path of ['/account/state', '/account/devices']) expect((await ask(path)).status).to.equal(200)
    expect(await userAgents()).to.deep.equal([FIREFOX])
    expect((await ask('/account')).status).to.equal(200)
    expect(await userAgents()).to.deep.equal([IPHONE])
  })

  it('a screen reader announces new devices, and nothing else', async () => {
    await open(desktop)
    expect(await news(desktop).innerText()).to.equal('')
    await phone.signIn(grace)
    await news(desktop).getByText('Safari on iPhone signed in.', { exact: true }).waitFor()
    const third = await Device.open(browser, site, { userAgent: FIREFOX })
    await third.signIn(grace)
    await news(desktop).getByText('Firefox on Linux signed in.', { exact: true }).waitFor()
    await phone.signOut()
    await news(desktop).getByText('Safari on iPhone is signed out.', { exact: true }).waitFor()
    await third.close()
  })

  it('the focus stays on the very same link', async () => {
    await open(desktop)
    await desktop.pointNowhere()
    await phone.signIn(grace)
    const link = desktop.page.getByRole('link', { name: 'Sign out Safari on iPhone' })
    await link.focus()
    await desktop.page.evaluate('window.focusedBefore = document.activeElement')
    const third = await Device.open(browser, site, { userAgent: FIREFOX })
    await third.signIn(grace)
    await desktop.page.getByRole('link', { name: 'Firefox on Linux', exact: true }).waitFor()
    expect(await desktop.shown()).to.deep.equal(['Chrome on Windows', 'Firefox on Linux', 'Safari on iPhone'])
    expect(await desktop.page.evaluate('document.activeElement === window.focusedBefore')).to.equal(true)
    expect(await desktop.focused()).to.equal('Sign out Safari on iPhone')

    await phone.signOut()
    await link.waitFor({ state: 'detached' })
    expect(await desktop.focused()).to.equal('Your devices')
    await third.close()
  })

  it('no button moves under the pointer', async () => {
    await open(desktop)
    await phone.signIn(grace)
    const link = desktop.page.getByRole('link', { name: 'Sign out Safari on iPhone' })
    await link.hover()
    const before = await link.boundingBox()
    const third = await Device.open(browser, site, { userAgent: FIREFOX })
    await third.signIn(grace)
    await news(desktop).getByText('Firefox on Linux signed in.').waitFor()
    expect(await desktop.shown()).to.deep.equal(['Chrome on Windows', 'Safari on iPhone'])
    expect(await link.boundingBox()).to.deep.equal(before)
    await desktop.pointNowhere()
    await desktop.page.getByRole('link', { name: 'Firefox on Linux', exact: true }).waitFor()
    await third.close()
  })

  it('a new role is told, and the menu follows', async () => {
    await open(desktop)
    const admin = await Device.open(browser, site)
    await admin.signIn(ada)
    await admin.follow('Admin')
    for (const [role, isAdmin] of [
      ['admin', true],
      ['member', false],
    ] as const) {
      await admin.page.getByLabel('Role of grace').selectOption(role)
      await admin.press('Save the role of grace')
      await news(desktop).getByText(`Your role is ${role} now.`).waitFor()
      const link = desktop.page.getByRole('link', { name: 'Admin', exact: true })
      expect(await link.isVisible()).to.equal(isAdmin)
      expect(await desktop.page.getByRole('banner').innerText()).to.include(role)
    }
    await admin.close()
  })

  it('times do not stand still', async () => {
    await desktop.page.clock.install()
    await open(desktop)
    const signedIn = desktop.page.locator('[aria-current=true] time')
    expect(await signedIn.innerText()).to.equal('just now')
    await desktop.page.clock.fastForward('03:00')
    await signedIn.getByText('3 minutes ago').waitFor()
  })

  for (const path of ['/account', '/account/password', '/admin']) {
    it(`a browser that is signed out elsewhere turns to the sign-in page by itself: ${path}`, async () => {
      await open(phone, ada)
      if (path !== '/account') {
        const again = eventsOf(phone)
        await phone.open(path)
        await again
      }
      await open(desktop, ada)
      const both = [phone, desktop]
      const start = performance.now()
      const turning = both.map(({ page }) => page.waitForRequest((request) => request.isNavigationRequest()))
      expect(await site.store.destroyUser(ada.id)).to.equal(2)
      await Promise.all(turning)
      const took = performance.now() - start
      // To the end, also because Chromium never closes a page with a listener for "pagehide" that is about to turn.
      for (const { page } of both) await page.waitForURL('**/sign-in')
      for (const device of both) expect(await device.text()).to.include('You were signed out on this device.')
      process.stdout.write(`      both have left after ${Math.round(took)} ms\n`)
    })
  }

  it('by a click on the other device, and no other session is signed out', async () => {
    await open(phone)
    await open(desktop)
    const stranger = await Device.open(browser, site)
    await stranger.signIn(ada)
    await desktop.follow('Sign out the other')
    await desktop.press('Sign out 1 device')
    await phone.page.waitForURL('**/sign-in')
    expect(await desktop.text()).to.include('Signed out 1 other device.')
    expect(stranger.path).to.equal('/account')
    await stranger.close()
  })

  it('a user’s own sign-out is shown on this page and the others of this browser', async () => {
    await open(desktop)
    const tab = await desktop.tab()
    const events = tab.waitForResponse((response) => response.url().endsWith('/account/events'))
    await tab.goto(`${site.url}/account`)
    await events
    await tab.getByRole('banner').getByRole('button', { name: 'Sign out' }).click()
    await tab.waitForURL('**/sign-in')
    expect(await tab.getByRole('main').innerText()).to.include('You are signed out on this device.')
    await desktop.page.bringToFront()
    await desktop.page.waitForURL('**/sign-in')
  })

  it('a new password leaves this browser signed in, on all its pages', async () => {
    await open(desktop)
    const tab = await desktop.tab()
    await tab.goto(`${site.url}/account/password`)
    await tab.getByLabel('Current password').fill(grace.password)
    await tab.getByLabel('New password', { exact: true }).fill('a new password')
    await tab.getByLabel('New password, once more').fill('a new password')
    await tab.getByRole('main').getByRole('button', { name: 'Change password' }).click()
    await tab.getByText('Your password is changed.').waitFor()
    await desktop.page.bringToFront()
    // Its events ended with the old session: it asks again, with the new one.
    await desktop.page.waitForResponse(
      (response) => response.url().endsWith('/account/events') && response.ok(),
    )
    expect(desktop.path).to.equal('/account')
    await phone.signIn({ ...grace, password: 'a new password' })
    await desktop.pointNowhere()
    await desktop.page.getByRole('link', { name: 'Safari on iPhone', exact: true }).waitFor()
  })
})
