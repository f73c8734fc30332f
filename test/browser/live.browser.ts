/** An open page in a real browser: it follows the devices by itself, and leaves when it is signed out elsewhere. */
import { expect } from 'chai'
import type { Browser } from 'playwright-core'
import { demoUsers } from '../../examples/express-app/users.ts'
import { DESKTOP, Device, IPHONE, launchChromium, PHONE } from './device.ts'
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
      // A page that asks whether it is still signed in may be told that it is not.
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

  const shown = ({ page }: Device) => page.getByRole('listitem').getByRole('heading').allInnerTexts()

  const eventsOf = ({ page }: Device) =>
    page.waitForResponse((response) => response.url().endsWith('/account/events'))

  async function open(device: Device, user: (typeof demoUsers)[number] = grace): Promise<void> {
    const events = eventsOf(device)
    await device.signIn(user)
    await events
  }

  it('a device that signs in appears on the other, and goes when it signs out; the focus stays', async () => {
    await open(desktop)
    expect(await shown(desktop)).to.have.lengthOf(1)
    await phone.signIn(grace)
    const link = desktop.page.getByRole('link', { name: 'Sign out Safari on iPhone' })
    await link.waitFor()
    expect(await shown(desktop)).to.deep.equal(['Chrome on Windows This device', 'Safari on iPhone'])
    expect(await desktop.page.getByRole('status').innerText()).to.include('signed in on 2 devices')

    await link.focus()
    const third = await Device.open(browser, site)
    await third.signIn(grace)
    await desktop.page.getByText('signed in on 3 devices').first().waitFor()
    const focused = await desktop.page.evaluate('document.activeElement.innerText')
    expect(focused).to.match(/^Sign out\s+Safari on iPhone$/)
    await third.close()

    await phone.page.getByRole('banner').getByRole('button', { name: 'Sign out' }).click()
    await link.waitFor({ state: 'detached' })
    expect(await shown(desktop)).to.have.lengthOf(2)
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

  it('by a click on the other device, and nobody else', async () => {
    await open(phone)
    await open(desktop)
    const stranger = await Device.open(browser, site)
    await stranger.signIn(ada)
    await desktop.follow('Sign out the others')
    await desktop.press('Sign out 1 device')
    await phone.page.waitForURL('**/sign-in')
    expect(await desktop.text()).to.include('Signed out 1 other device.')
    expect(stranger.path).to.equal('/account')
    await stranger.close()
  })

  it('signing out oneself says so, on this page and the others of this browser', async () => {
    await open(desktop)
    const tab = await desktop.tab()
    const events = tab.waitForResponse((response) => response.url().endsWith('/account/events'))
    await tab.goto(`${site.url}/account`)
    await events
    await tab.getByRole('banner').getByRole('button', { name: 'Sign out' }).click()
    await tab.waitForURL('**/sign-in')
    expect(await tab.getByRole('main').innerText()).to.include('You are signed out.')
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
    await desktop.page.getByRole('heading', { name: 'Safari on iPhone' }).waitFor()
  })
})
