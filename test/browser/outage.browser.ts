/**
 * Redis goes down while pages are open, and comes back. No user is signed out by that, and every page shows what to do.
 */
import { expect } from 'chai'
import type { Browser } from 'playwright-core'
import { demoUsers } from '../../examples/express-app/users.ts'
import { type ServerHandle, spawnServer } from '../support/spawn-server.ts'
import { violations } from './axe.ts'
import { Device, launchChromium } from './device.ts'
import { Site } from './site.ts'

const [, grace] = demoUsers

describe('The example while Redis is away', () => {
  let browser: Browser
  let redis: ServerHandle
  let site: Site
  let device: Device
  const { error } = console

  before(async () => {
    // The app logs every request that it cannot answer.
    console.error = () => {}
    browser = await launchChromium()
  })

  after(async () => {
    console.error = error
    await browser?.close()
  })

  beforeEach(async () => {
    redis = await spawnServer()
    site = await Site.open(redis.url)
    device = await Device.open(browser, site)
    await device.signIn(grace)
  })

  afterEach(async () => {
    await device?.close()
    await site?.close()
    await redis?.stop()
  })

  const retry = () => device.page.getByRole('link', { name: 'Try again' })

  it('a page shows "try again", which opens the page after Redis is back', async () => {
    await redis.pause()
    await device.open('/account/history')
    expect(await device.heading()).to.equal('Please try again in a moment')
    expect(await device.focused()).to.equal('Please try again in a moment')
    expect(await violations(device.page)).to.deep.equal([])
    await redis.resume()
    await device.untilBack(() => retry().click(), 'History')
    expect(device.path).to.equal('/account/history')
  })

  it('a form shows "try again", which opens the form', async () => {
    await device.open('/account/password')
    await redis.pause()
    await device.fill({ 'Current password': 'x', 'New password': 'x', 'New password, once more': 'x' })
    await device.press('Change password')
    expect(await device.heading()).to.equal('Please try again in a moment')
    await redis.resume()
    await device.untilBack(() => retry().click(), 'Change your password')
  })

  it('a sign-in shows the same', async () => {
    await device.signOut()
    await redis.pause()
    await device.fill({ Name: grace.name, Password: grace.password })
    await device.press('Sign in')
    expect(await device.heading()).to.equal('Please try again in a moment')
    await redis.resume()
    await device.untilBack(() => retry().click(), 'Sign in')
  })

  it('an open page does not treat a 503 as a sign-out, and continues by itself', async () => {
    await redis.pause()
    await device.hideAndShow()
    const news = device.page.getByRole('status')
    await news.getByText('No connection at the moment.').waitFor()
    expect(await violations(device.page)).to.deep.equal([])
    expect(device.path).to.equal('/account')
    expect(await device.heading()).to.equal('Your devices')
    await redis.resume()
    await news.getByText('Connected again.').waitFor()
    expect(device.path).to.equal('/account')
  })
})
