/**
 * After each action the focus is on the next message, with and without JavaScript. Also the Back button and outdated
 * pages.
 */
import { expect } from 'chai'
import type { Browser } from 'playwright-core'
import { demoUsers } from '../../examples/express-app/users.ts'
import { Device, IPHONE, launchChromium, WINDOWS } from './device.ts'
import { Site } from './site.ts'

const [ada, grace] = demoUsers

for (const javaScriptEnabled of [true, false]) {
  describe(`After an action in the example, JavaScript ${javaScriptEnabled ? 'on' : 'off'}`, () => {
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

    const signIn = async (user: (typeof demoUsers)[number]) => device.take(await site.signIn(user, WINDOWS))

    async function expectFocusOn(text: string): Promise<void> {
      expect(await device.focused()).to.include(text)
      expect(await device.page.locator('.flash').count(), 'messages').to.equal(1)
    }

    it('the focus is on the message, which names the device', async () => {
      await site.signIn(grace, IPHONE)
      await signIn(grace)
      await device.open('/account')
      await device.follow('Sign out Safari on iPhone')
      expect(await device.focused()).to.equal('Sign out Safari on iPhone?')
      await device.press('Sign out Safari on iPhone')
      await expectFocusOn('Safari on iPhone is signed out.')
      await device.signOut()
      await expectFocusOn('You are signed out on this device.')
      await device.open('/sign-in')
      expect(await device.focused(), 'a new page').to.equal('Name')
      await device.signIn(grace)
      await expectFocusOn('You are signed in as grace.')
    })

    it('the focus is on the error summary, with a link to each field', async () => {
      await device.signIn({ name: 'grace', password: 'wrong' })
      await expectFocusOn('That name and password do not go together.')
      expect(await device.page.title()).to.match(/^Error: Sign in/)
      expect(await device.page.getByLabel('Name').inputValue()).to.equal('grace')

      await signIn(grace)
      await device.open('/account/password')
      await device.fill({ 'Current password': 'x', 'New password': 'x', 'New password, once more': 'x' })
      await device.press('Change password')
      await expectFocusOn('Your password is unchanged.')
      await device.page.getByRole('link', { name: 'That is not your password.' }).click()
      expect(await device.focused()).to.equal('Current password')

      await device.open('/account/confirm')
      expect(await device.focused(), 'a question').to.equal('Password')
      await device.fill({ Password: 'wrong' })
      await device.press('Continue')
      await expectFocusOn('That is not your password.')
    })

    it('the focus is on the message of an admin, and on an error', async () => {
      await site.signIn(grace, IPHONE)
      await signIn(ada)
      await device.open('/admin')
      await device.press('Save the role of grace')
      await expectFocusOn('The role of grace is editor now')
      await device.open('/account/sessions/none')
      await expectFocusOn('is not signed in any more.')
      await device.open('/nowhere')
      expect(await device.focused()).to.equal('Page not found')
    })

    it('Back and Reload after an error ask to send no form again', async () => {
      await device.open('/account')
      await device.fill({ Name: 'grace', Password: 'wrong' })
      await device.press('Sign in')
      await device.page.reload()
      expect(await device.text()).not.to.include('do not go together')
      await device.fill({ Name: 'grace', Password: grace.password })
      await device.press('Sign in')
      expect(await device.heading()).to.equal('Your devices')
      const forms = site.asked.filter((line) => line.startsWith('POST')).length

      await device.open('/account/password')
      await device.fill({ 'Current password': 'x', 'New password': 'x', 'New password, once more': 'x' })
      await device.press('Change password')
      await device.page.reload()
      await device.open('/account')
      await device.page.goBack()
      expect(await device.heading()).to.equal('Change your password')
      await device.page.goBack()
      expect(await device.heading()).to.be.oneOf(['Change your password', 'Your devices'])
      expect(site.asked.filter((line) => line.startsWith('POST')).length).to.equal(forms + 1)
    })

    it('a sign-in page from before a sign-in shows that the user is signed in already', async () => {
      await device.open('/sign-in')
      const tab = await device.tab()
      await tab.goto(`${site.url}/sign-in`)
      await tab.getByLabel('Name').fill(grace.name)
      await tab.getByLabel('Password').fill(grace.password)
      await tab.getByRole('main').getByRole('button', { name: 'Sign in' }).click()
      await tab.waitForURL('**/account')
      await device.fill({ Name: grace.name, Password: grace.password })
      await device.press('Sign in')
      await expectFocusOn('You are signed in already, as grace.')
      expect(await site.store.userSessions(grace.id)).to.have.lengthOf(1)
    })

    it('a sign-in page whose cookies are gone shows a new form, which works', async () => {
      await device.open('/sign-in')
      await device.forgetCookies()
      await device.fill({ Name: grace.name, Password: grace.password })
      await device.press('Sign in')
      await expectFocusOn('This page was out of date.')
      await device.fill({ Name: grace.name, Password: grace.password })
      await device.press('Sign in')
      expect(await device.heading()).to.equal('Your devices')
    })

    it('a form from before a new sign-in changes nothing, and shows that', async () => {
      await signIn(grace)
      await site.signIn(grace, IPHONE)
      await device.open('/account/sign-out-others')
      await signIn(grace)
      await device.press('Sign out 1 device')
      await expectFocusOn('This page was out of date. Nothing was changed.')
      expect(await site.store.userSessions(grace.id)).to.have.lengthOf(3)
    })

    it('password managers find the name of the account beside a new password', async () => {
      await signIn(grace)
      for (const path of ['/account/password', '/account/confirm']) {
        await device.open(path)
        const name = device.page.locator('form input[autocomplete=username]')
        expect(await name.getAttribute('type')).to.equal('text')
        expect(await name.inputValue()).to.equal('grace')
        const box = await name.boundingBox()
        expect(box?.width, 'is rendered, and not to be seen').to.equal(1)
      }
    })
  })
}
