/** Every page under axe, in light and dark, on a phone and a desktop. Also the keyboard's path through them. */
import { expect } from 'chai'
import type { Browser } from 'playwright-core'
import { demoUsers } from '../../examples/express-app/users.ts'
import { violations } from './axe.ts'
import { DESKTOP, Device, FIREFOX, IPHONE, launchChromium, PHONE } from './device.ts'
import { pages } from './pages.ts'
import { Site } from './site.ts'

const [ada, grace] = demoUsers

describe('The example for everybody', () => {
  let browser: Browser
  let site: Site
  let phone: Device

  before(async () => {
    browser = await launchChromium()
    site = await Site.open()
    phone = await Device.open(browser, site, { userAgent: IPHONE })
    await phone.signIn(ada)
    const other = await Device.open(browser, site, { userAgent: FIREFOX })
    // A session that has ended, for the history of ada.
    await other.signIn(ada)
    await other.signOut()
    await other.signIn(grace)
    await other.close()
  })

  after(async () => {
    await browser?.close()
    await site?.close()
  })

  for (const colorScheme of ['light', 'dark'] as const) {
    for (const viewport of [PHONE, DESKTOP]) {
      describe(`axe, ${colorScheme}, ${viewport.width} px`, () => {
        let device: Device

        before(async () => {
          const ip = `192.0.2.${viewport.width % 100}`
          device = await Device.open(browser, site, { colorScheme, viewport, ip })
        })

        after(() => device.close())

        for (const [name, visit] of Object.entries(pages)) {
          it(name, async () => {
            await visit(device)
            expect(await violations(device.page)).to.deep.equal([])
            expect(await device.overflow(), 'scrolls sideways').to.equal(0)
          })
        }
      })
    }
  }

  // The width that remains of 1280 px at 200 % and at 400 %.
  for (const width of [640, 320]) {
    it(`no page scrolls sideways at ${width} px`, async () => {
      const device = await Device.open(browser, site, {
        viewport: { width, height: 640 },
        ip: `192.0.2.${width % 251}`,
      })
      for (const [name, visit] of Object.entries(pages)) {
        await visit(device)
        expect(await device.overflow(), name).to.equal(0)
      }
      await device.close()
    })
  }

  for (const width of [320, 375]) {
    it(`no page scrolls sideways with text of double size, ${width} px`, async () => {
      const viewport = { width, height: 640 }
      const device = await Device.open(browser, site, { viewport, ip: `192.0.3.${width % 251}` })
      await device.setFontSize(32)
      for (const [name, visit] of Object.entries(pages)) {
        await visit(device)
        const size = await device.page.evaluate('parseFloat(getComputedStyle(document.body).fontSize)')
        expect(size).to.equal(32)
        expect(await device.overflow(), name).to.equal(0)
      }
      await device.close()
    })
  }

  it('no two links of a page have the same name, unless they lead to the same place', async () => {
    const device = await Device.open(browser, site, { ip: '192.0.2.77' })
    for (const [name, visit] of Object.entries(pages)) {
      await visit(device)
      const links = (await device.page.evaluate(LINKS)) as [string, string][]
      const targets = new Map(links)
      for (const [text, target] of links) expect(targets.get(text), `${name}: ${text}`).to.equal(target)
    }
    await device.close()
  })

  for (const viewport of [PHONE, DESKTOP]) {
    it(`Tab goes through the account page in visual order, and shows the focus, ${viewport.width} px`, async () => {
      const device = await Device.open(browser, site, { viewport })
      await device.signIn(ada)
      await device.open('/account')
      await device.pointNowhere()
      const stops: Stop[] = []
      for (;;) {
        await device.page.keyboard.press('Tab')
        const stop = (await device.page.evaluate(FOCUSED)) as Stop
        if (stop.tag === 'BODY' || stops.some(({ key }) => key === stop.key)) break
        stops.push(stop)
      }
      const names = stops.map(({ name }) => name)
      expect(names.slice(0, 9)).to.deep.equal([
        'Skip to content',
        'redis-user-sessions',
        'Lantern',
        'Devices',
        'History',
        'Password',
        'Admin',
        'Sign out',
        'change your password',
      ])
      expect(names[9]).to.match(/^Chrome on Windows/)
      expect(names.slice(-2)).to.deep.equal([others(names), 'Sign out everywhere'])
      expect(names).to.include('Safari on iPhone').and.to.include('Sign out Safari on iPhone')
      for (const [i, stop] of stops.entries()) {
        expect(stop.visible, `${stop.name} is on the screen`).to.equal(true)
        expect(stop.outline, `${stop.name} has an outline`).to.be.at.least(2)
        const previous = stops[i - 1]
        // The first is the skip link, which appears over the header.
        if (i < 2 || !previous) continue
        const follows = stop.top >= previous.bottom - 1 || stop.left >= previous.right - 1
        expect(follows, `${stop.name} comes after ${previous.name} on the page`).to.equal(true)
      }
      await device.close()
    })
  }

  it('the skip link jumps over the header', async () => {
    await phone.open('/account')
    await phone.page.keyboard.press('Tab')
    await phone.page.keyboard.press('Enter')
    await phone.page.keyboard.press('Tab')
    expect(await phone.page.evaluate(FOCUSED)).to.include({ name: 'change your password' })
  })

  it('signs in, and signs out another device, by keyboard alone', async () => {
    const [desktop, other] = [
      await Device.open(browser, site),
      await Device.open(browser, site, { userAgent: IPHONE }),
    ]
    await other.signIn(grace)
    const { keyboard } = desktop.page
    const tabTo = async (name: string) => {
      for (let i = 0; i < 30; i++) {
        await keyboard.press('Tab')
        if (((await desktop.page.evaluate(FOCUSED)) as Stop).name === name) return
      }
      throw new Error(`Tab never came to ${name}`)
    }
    await desktop.open('/sign-in')
    await tabTo('Name')
    await keyboard.type(grace.name)
    await tabTo('Password')
    await keyboard.type(grace.password)
    await tabTo('Remember me for 30 days')
    await keyboard.press('Space')
    await keyboard.press('Enter')
    await desktop.page.waitForURL('**/account')
    await tabTo('Sign out Safari on iPhone')
    await keyboard.press('Enter')
    await desktop.page.waitForURL('**/sign-out')
    await tabTo('Sign out Safari on iPhone')
    await keyboard.press('Enter')
    await desktop.page.getByText('Safari on iPhone is signed out.').waitFor()
    expect(await other.isSignedIn()).to.equal(false)
    await Promise.all([desktop.close(), other.close()])
  })
})

// Code that runs in the page: strings, so that the types of a browser stay out of a Node project.

/** There may be one or more of them. */
const others = (names: string[]) => names.find((name) => /^Sign out the others?$/.test(name))

type Stop = Record<'top' | 'left' | 'right' | 'bottom' | 'outline', number> & {
  key: string
  tag: string
  name: string
  visible: boolean
}

const FOCUSED = `(() => {
  const element = document.activeElement
  const { top, left, right, bottom } = element.getBoundingClientRect()
  const style = getComputedStyle(element)
  return {
    key: [element.tagName, element.href, element.name, element.form?.action, element.textContent].join(' '),
    tag: element.tagName,
    name: (element.labels?.[0] ?? element).innerText.trim().replace(/\\s+/g, ' '),
    top: top + scrollY, left, right, bottom: bottom + scrollY,
    visible: top >= 0 && left >= 0 && bottom <= innerHeight && right <= innerWidth,
    outline: style.outlineStyle === 'none' ? 0 : parseFloat(style.outlineWidth),
  }
})()`

const LINKS = `[...document.querySelectorAll('a')]
  .filter((link) => link.checkVisibility())
  .map((link) => [link.innerText.trim().replace(/\\s+/g, ' '), link.href])`
