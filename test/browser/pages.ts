/** The way to every page of the example, one from the other. */
import { demoUsers } from '../../examples/express-app/users.ts'
import type { Device } from './device.ts'

const [ada, grace, alan] = demoUsers

/** Every page of the app, and every state of one that looks different. */
export const pages: Record<string, (device: Device) => Promise<void>> = {
  'sign in': (device) => device.open('/sign-in'),
  'sign in, wrong password': (device) => device.signIn({ name: ada.name, password: 'wrong' }),
  'your devices': (device) => device.signIn(ada),
  'sign out one': (device) => device.follow('Sign out Safari on iPhone'),
  'sign out the others': (device) => device.open('/account/sign-out-others'),
  'sign out everywhere': (device) => device.open('/account/sign-out-everywhere'),
  'sign out everywhere, wrong password': async (device) => {
    await device.fill({ Password: 'wrong' })
    await device.press('Sign out everywhere')
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
    await device.page.getByRole('banner').getByRole('button', { name: 'Sign out' }).click()
  },
  'only one device': async (device) => {
    await device.signIn(alan)
    await device.open('/account/sign-out-others')
  },
  'not allowed': (device) => device.open('/admin'),
}
