/**
 * Double clicks with a mouse on every button. The second click may send the same form again, or hit the next page. The
 * result must equal that of one click, and the page must show it.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import type { Browser } from 'playwright-core'
import { demoUsers, type Role } from '../../examples/express-app/users.ts'
import { Device, IPHONE, launchChromium, MACBOOK, WINDOWS } from './device.ts'
import { Site } from './site.ts'

const [ada, grace] = demoUsers
const INTERVALS = [60, 100, 150]

type Button = {
  /** The user of the browser; nobody before a sign-in. */
  by?: { id: string; role: Role } | 'nobody'
  /** The page with the button; `<phone>` and `<this>` stand for the pages of two devices. */
  page: string
  fields?: Record<string, string>
  to: string
  says: string
  /** How many sessions grace has afterwards; she has three before, or two if the browser is not hers. */
  leaves: number
}

const NEW = { 'New password': 'a brand new one', 'New password, once more': 'a brand new one' }

const BUTTONS: Record<string, Button> = {
  'Sign in': {
    by: 'nobody',
    page: '/sign-in',
    fields: { Name: grace.name, Password: grace.password },
    to: '/account',
    says: 'You are signed in as grace.',
    leaves: 3,
  },
  'Sign out': { page: '/account', to: '/sign-in', says: 'You are signed out on this device.', leaves: 2 },
  'Sign out this device': {
    page: '<this>/sign-out',
    to: '/sign-in',
    says: 'You are signed out on this device.',
    leaves: 2,
  },
  'Sign out Safari on iPhone': {
    page: '<phone>/sign-out',
    to: '/account',
    says: 'Safari on iPhone is signed out.',
    leaves: 2,
  },
  'No, secure my account': {
    page: '<phone>',
    to: '/account/password',
    says: 'Safari on iPhone is signed out. Now choose a new password.',
    leaves: 2,
  },
  'Sign out 2 devices': {
    page: '/account/sign-out-others',
    to: '/account',
    says: 'Signed out 2 other devices.',
    leaves: 1,
  },
  'Sign out everywhere': {
    page: '/account/sign-out-everywhere',
    to: '/sign-in',
    says: 'You are signed out on 3 devices.',
    leaves: 0,
  },
  'Change password': {
    page: '/account/password',
    fields: { 'Current password': grace.password, ...NEW },
    to: '/account',
    says: 'Your password is changed. 2 other devices signed out',
    leaves: 1,
  },
  Continue: {
    page: '/account/confirm?next=/account/password',
    fields: { Password: grace.password },
    to: '/account/password',
    says: 'Thank you. Nothing was changed yet: please go on.',
    leaves: 3,
  },
  'Save the role of grace': {
    by: ada,
    page: '/admin',
    to: '/admin',
    says: 'The role of grace is editor now, on 2 devices at once.',
    leaves: 2,
  },
  'Sign out grace everywhere': {
    by: ada,
    page: `/admin/users/${grace.id}/sign-out`,
    to: '/admin',
    says: 'grace is signed out on 2 devices.',
    leaves: 0,
  },
}

const LINKS: Record<string, string> = {
  'Sign out Safari on iPhone': 'Sign out Safari on iPhone?',
  'Sign out the others': 'Sign out the 2 other devices?',
  'Sign out everywhere': 'Sign out everywhere?',
}

for (const javaScriptEnabled of [true, false]) {
  describe(`Double clicks with a mouse, JavaScript ${javaScriptEnabled ? 'on' : 'off'}`, () => {
    let browser: Browser
    let site: Site
    let device: Device

    before(async () => {
      browser = await launchChromium()
    })

    after(() => browser?.close())

    beforeEach(async () => {
      site = await Site.open()
      device = await Device.open(browser, site, { javaScriptEnabled })
    })

    afterEach(async () => {
      await device?.close()
      await site?.close()
    })

    async function open({ by = grace, page, fields = {} }: Button): Promise<void> {
      await site.store.destroyUser(grace.id)
      await site.signIn(grace, IPHONE)
      await site.signIn(grace, MACBOOK)
      await device.take(by === 'nobody' ? '' : await site.signIn(by, WINDOWS))
      await device.open(await addressOf(page))
      await device.fill(fields)
    }

    async function addressOf(page: string): Promise<string> {
      const sessions = await site.store.userSessions(grace.id)
      const of = (agent: string) => sessions.find(({ data }) => data.userAgent === agent)?.handle
      return page
        .replace('<phone>', `/account/sessions/${of(IPHONE)}`)
        .replace('<this>', `/account/sessions/${of(WINDOWS)}`)
    }

    const button = (name: string) => device.page.getByRole('button', { name, exact: true }).last()

    async function expectOneClick({ to, says, leaves }: Button): Promise<void> {
      await device.page.locator('.flash').getByText(says).waitFor()
      expect(device.path).to.equal(to)
      // A click beside all elements removes the focus, as always. It moves the focus nowhere else.
      expect(await device.focusedNow()).to.match(new RegExp(`^${says}|^\\(the page\\)$`))
      expect(await site.store.userSessions(grace.id)).to.have.lengthOf(leaves)
    }

    for (const [name, what] of Object.entries(BUTTONS)) {
      for (const interval of INTERVALS) {
        it(`${name}, ${interval} ms`, async () => {
          await open(what)
          await device.doubleClick(button(name), () => sleep(interval))
          await expectOneClick(what)
        })
      }

      it(`${name}, before the first click is answered`, async () => {
        await open(what)
        // A second click before the first form was sent would replace it.
        const sent = site.holdAnswer()
        await device.doubleClick(button(name), () => sent)
        await expectOneClick(what)
        expect(site.asked.filter((line) => line.startsWith('POST'))).to.have.lengthOf(2)
      })
    }

    it('a page ignores clicks in its first moment, and accepts them afterwards', async () => {
      const goOn = await device.stopAnimations()
      await open({ page: '/account/sign-out-others', to: '', says: '', leaves: 3 })
      const box = await button('Sign out 2 devices').boundingBox()
      if (!box) throw new Error('There is no button')
      const middle = [box.x + box.width / 2, box.y + box.height / 2] as const
      await device.page.mouse.click(...middle)
      await device.page.mouse.click(...middle)
      expect(device.path).to.equal('/account/sign-out-others')
      expect(site.asked.filter((line) => line.startsWith('POST'))).to.deep.equal([])
      await goOn()
      await button('Sign out 2 devices').click()
      await device.page.locator('.flash').getByText('Signed out 2 other devices.').waitFor()
    })

    for (const [name, heading] of Object.entries(LINKS)) {
      for (const interval of INTERVALS) {
        it(`the link "${name}" only asks, ${interval} ms`, async () => {
          await open({ page: '/account', to: '', says: '', leaves: 3 })
          const link = device.page.getByRole('link', { name, exact: true })
          await device.doubleClick(link, () => sleep(interval))
          await device.page.getByRole('heading', { name: heading }).waitFor()
          expect(site.asked.filter((line) => line.startsWith('POST'))).to.deep.equal([])
        })
      }
    }
  })
}
