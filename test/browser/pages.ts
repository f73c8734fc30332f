/** The clicks that open every page of the example. */
import { demoUsers } from '../../examples/express-app/users.ts'
import type { Device } from './device.ts'

const [ada, grace, alan] = demoUsers

/** Every page of the app, in every state with another look. */
export const pages: Record<string, (device: Device) => Promise<void>> = {
  'sign in': (device) => device.open('/sign-in'),
  'sign in, wrong password': (device) => device.signIn({ name: ada.name, password: 'wrong' }),
  'your devices': (device) => device.signIn(ada),
  'one device': (device) => device.follow('Safari on iPhone'),
  'this device': async (device) => {
    await device.open('/account')
    await device.page.locator('[aria-current=true] a').click()
    await device.page.getByRole('link', { name: 'Sign out this device' }).waitFor()
  },
  'sign out this device': (device) => device.follow('Sign out this device'),
  'sign out one': async (device) => {
    await device.open('/account')
    await device.follow('Sign out Safari on iPhone')
  },
  'sign out the others': (device) => device.open('/account/sign-out-others'),
  'sign out everywhere': (device) => device.open('/account/sign-out-everywhere'),
  'type your password': (device) => device.open('/account/confirm?next=/account/sign-out-everywhere'),
  'type your password, wrong': async (device) => {
    await device.fill({ Password: 'wrong' })
    await device.press('Continue')
  },
  history: (device) => device.open('/account/history'),
  'one that is over': async (device) => {
    const over = device.page.getByRole('listitem').filter({ hasText: 'Signed out' })
    await over.getByRole('link').first().click()
    await device.page.getByText('Was this you?').waitFor()
  },
  password: (device) => device.open('/account/password'),
  'password, all wrong': async (device) => {
    await device.fill({ 'Current password': 'x', 'New password': 'x', 'New password, once more': 'y' })
    await device.press('Change password')
  },
  admin: (device) => device.open('/admin'),
  'admin, role saved': (device) => device.press('Save the role of grace'),
  'admin, sign out a user': (device) => device.open(`/admin/users/${grace.id}/sign-out`),
  'a message in red': (device) => device.open('/account/sessions/none/sign-out'),
  'not found': (device) => device.open('/nowhere'),
  'signed out': async (device) => {
    await device.open('/account')
    await device.signOut()
  },
  'only one device': (device) => device.signIn(alan),
  'no other device': (device) => device.open('/account/sign-out-others'),
  'not allowed': (device) => device.open('/admin'),
  'signed out elsewhere': async (device) => {
    await device.signOut()
    await device.open('/account/password')
  },
}
