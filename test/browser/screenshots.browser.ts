/**
 * Takes the pictures for the README and the documentation. They show the account page on a desktop and a phone, in light
 * and dark. One shows the page of one device.
 */
import { mkdirSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import type { SessionData } from 'express-session'
import type { Browser } from 'playwright-core'
import { demoUsers } from '../../examples/express-app/users.ts'
import { DESKTOP, Device, IPHONE, launchChromium, MACBOOK, PHONE, WINDOWS } from './device.ts'
import { Site } from './site.ts'

const FOLDER = fileURLToPath(new URL('../../docs/screenshots/', import.meta.url))
const LARGEST = 130_000

const [, grace] = demoUsers
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const KEPT = 30 * DAY

const IPAD =
  'Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1'

// Grace's other devices: user agent, address, time of the sign-in, and time of the last use.
const OTHERS = [
  [IPHONE, '198.51.100.23', 9 * DAY, 12 * MINUTE],
  [WINDOWS, '192.0.2.146', 6 * HOUR, 3 * HOUR],
  [IPAD, '2001:db8::8a2e:370:7334', 24 * DAY, 5 * DAY],
] as const

// Addresses for documentation are nowhere: see RFC 5737 and RFC 3849.
const PLACES: Record<string, string> = {
  '203.0.113.7': 'Lisbon, Portugal',
  '198.51.100.23': 'Lisbon, Portugal',
  '192.0.2.146': 'Porto, Portugal',
  '2001:db8::8a2e:370:7334': 'Faro, Portugal',
}

describe('Screenshots', () => {
  let browser: Browser
  let site: Site

  before(async () => {
    mkdirSync(FOLDER, { recursive: true })
    browser = await launchChromium()
  })

  after(() => browser?.close())

  beforeEach(async () => {
    site = await Site.open(undefined, { describePlace: (ip) => PLACES[ip] })
    for (const [i, [userAgent, ip, signedIn, lastActive]] of OTHERS.entries()) {
      const session: SessionData = {
        cookie: { originalMaxAge: KEPT, expires: new Date(Date.now() - lastActive + KEPT) },
        userId: grace.id,
        role: grace.role,
        signedInAt: new Date(Date.now() - signedIn).toISOString(),
        newBrowser: userAgent === WINDOWS,
        userAgent,
        ip,
      }
      await site.store.set(`screenshot-${i}`, session)
    }
  })

  afterEach(() => site?.close())

  for (const [name, viewport] of Object.entries({ phone: PHONE, desktop: DESKTOP })) {
    for (const colorScheme of ['light', 'dark'] as const) {
      it(`of the account page, ${name}, ${colorScheme}`, async () => {
        const look = { userAgent: MACBOOK, ip: '203.0.113.7', viewport, colorScheme }
        const device = await Device.open(browser, site, look)
        await device.signIn(grace)
        expect(await device.devices()).to.deep.equal([
          'Safari on macOS',
          'Chrome on Windows',
          'Safari on iPhone',
          'Safari on iPad',
        ])
        expect(await device.text())
          .to.include('12 minutes ago')
          .and.to.include('5 days ago')
        await take(device, `account-${name}-${colorScheme}`)
      })
    }
  }

  it('of a page of a device', async () => {
    const look = { userAgent: MACBOOK, ip: '203.0.113.7', viewport: DESKTOP, colorScheme: 'light' } as const
    const device = await Device.open(browser, site, look)
    await device.signIn(grace)
    await device.follow('Chrome on Windows')
    expect(await device.text()).to.include('Porto, Portugal')
    await take(device, 'session-desktop-light')
  })

  async function take(device: Device, name: string): Promise<void> {
    const path = `${FOLDER}${name}.png`
    await device.pointNowhere()
    await device.page.screenshot({ path, fullPage: true })
    expect(statSync(path).size).to.be.below(LARGEST)
    await device.close()
  }
})
