/**
 * Double clicks on every button of the example, without JavaScript: the same form is sent twice at the same moment. The
 * result must equal that of one click, and both answers must show it. The first click is held at its last command until
 * the second one has asked.
 */
import { expect } from 'chai'
import { createApp } from '../../examples/express-app/app.ts'
import { demoUsers, Users } from '../../examples/express-app/users.ts'
import { UserSessionStore } from '../../src/index.ts'
import { eventually } from '../support/eventually.ts'
import { connect, freshPrefixes, type Prefixes, type TestClient } from '../support/hooks.ts'
import { type Call, failBefore, pauseBefore, watch } from '../support/paused-client.ts'
import {
  Browser,
  CHROME,
  devicePath,
  FIREFOX,
  type Fields,
  hidden,
  IPHONE,
  isSignedIn,
  optionsFor,
} from './support.ts'

const [ada, grace] = demoUsers
const FRESH = { new: 'a brand new one', repeat: 'a brand new one' }

type Button = {
  /** Who clicks: a device of grace, of an admin, or of a new visitor. */
  by?: 'admin' | 'stranger'
  /** The page with the form; `<phone>` and `<this>` stand for the pages of two devices. */
  page: string
  /** The address of the form, if it is not its page. */
  action?: string
  fields?: Fields
  to: string
  says: string
  /** How many sessions of grace there are afterwards; there are three before. */
  leaves: number
  signedIn: boolean
}

const BUTTONS: Record<string, Button> = {
  'Sign in': {
    by: 'stranger',
    page: '/sign-in',
    fields: { name: grace.name, password: grace.password },
    ...{ to: '/account', says: 'You are signed in as grace.', leaves: 4, signedIn: true },
  },
  'Sign in, with a wrong password': {
    by: 'stranger',
    page: '/sign-in',
    fields: { name: grace.name, password: 'wrong' },
    ...{ to: '/sign-in', says: 'do not go together', leaves: 3, signedIn: false },
  },
  'Sign out': {
    page: '/account',
    action: '/sign-out',
    ...{ to: '/sign-in', says: 'You are signed out on this device.', leaves: 2, signedIn: false },
  },
  'Sign out, of another device': {
    page: '<phone>/sign-out',
    ...{ to: '/account', says: 'Safari on iPhone is signed out.', leaves: 2, signedIn: true },
  },
  'Sign out, of this device in its own page': {
    page: '<this>/sign-out',
    ...{ to: '/sign-in', says: 'You are signed out on this device.', leaves: 2, signedIn: false },
  },
  'It was not me': {
    page: '<phone>',
    action: '<phone>/not-me',
    to: '/account/password',
    ...{ says: 'Safari on iPhone is signed out. Now choose a new password.', leaves: 2, signedIn: true },
  },
  'Sign out the others': {
    page: '/account/sign-out-others',
    ...{ to: '/account', says: 'Signed out 2 other devices.', leaves: 1, signedIn: true },
  },
  'Sign out everywhere': {
    page: '/account/sign-out-everywhere',
    ...{ to: '/sign-in', says: 'You are signed out on 3 devices.', leaves: 0, signedIn: false },
  },
  'Change password': {
    page: '/account/password',
    fields: { current: grace.password, ...FRESH },
    to: '/account',
    ...{ says: 'Your password is changed. 2 other devices signed out', leaves: 1, signedIn: true },
  },
  'Change password, with a wrong one': {
    page: '/account/password',
    fields: { current: 'wrong', ...FRESH },
    ...{ to: '/account/password', says: 'Your password is unchanged.', leaves: 3, signedIn: true },
  },
  Continue: {
    page: '/account/confirm?next=/account/password',
    fields: { password: grace.password },
    ...{ to: '/account/password', says: 'Nothing was changed yet', leaves: 3, signedIn: true },
  },
  'Save a role': {
    by: 'admin',
    page: '/admin',
    action: `/admin/users/${grace.id}/role`,
    fields: { role: 'member' },
    ...{ to: '/admin', says: 'The role of grace is member now, on 3 devices', leaves: 3, signedIn: true },
  },
  'Sign out, of a user': {
    by: 'admin',
    page: `/admin/users/${grace.id}/sign-out`,
    ...{ to: '/admin', says: 'grace is signed out on 3 devices.', leaves: 0, signedIn: true },
  },
}

describe('Double clicks in the example app', () => {
  let client: TestClient
  let prefixes: Prefixes
  let store: UserSessionStore
  let users: Users

  before(async () => {
    client = await connect()
  })

  after(() => client.close())

  beforeEach(async () => {
    prefixes = freshPrefixes()
    store = new UserSessionStore({ client, ...prefixes })
    users = await Users.create(demoUsers, { N: 2 })
  })

  /** A process of its own, but for the users, which several processes have in a database. */
  const appWith = (own = client) =>
    createApp({
      ...optionsFor(client, prefixes),
      client: own,
      store: new UserSessionStore({ client, ...prefixes }),
      users,
    })

  /** Signs everybody in, and opens the page with the button. */
  async function open({ by, page, action = page, fields = {} }: Button) {
    const app = appWith()
    const clicker = new Browser(app, by === 'stranger' ? FIREFOX : CHROME)
    const devices = [new Browser(app, IPHONE), new Browser(app, FIREFOX)]
    if (by !== undefined) devices.push(new Browser(app, CHROME))
    for (const device of devices) await device.signIn(grace)
    if (by !== 'stranger') await clicker.signIn(by === 'admin' ? ada : grace)
    const list = await clicker.get('/account')
    const fill = (path: string) =>
      path
        .replace('<phone>', () => devicePath(list, 'Safari on iPhone'))
        .replace('<this>', () => devicePath(list, 'Chrome on Windows'))
    const form = { ...fields, ...hidden(await clicker.get(fill(page))) }
    return { clicker, action: fill(action), form }
  }

  async function expectOneClick(
    { to, says, leaves, signedIn }: Button,
    clicks: [Browser, string | undefined][],
  ) {
    const left = await store.userSessions(grace.id)
    expect(left.length, 'sessions of grace').to.equal(leaves)
    for (const [browser, location] of clicks) {
      expect(location).to.equal(to)
      expect(await browser.follow({ status: 303, headers: { location } } as never)).to.include(says)
      expect(await isSignedIn(browser)).to.equal(signedIn)
    }
  }

  const isAnswer = ({ command, args }: Call) =>
    command === 'set' && String(args[0]).includes('form:') && args[1] !== 'running'

  for (const processes of [1, 2]) {
    describe(`in ${processes} process${processes > 1 ? 'es' : ''}`, () => {
      for (const [name, button] of Object.entries(BUTTONS)) {
        it(name, async () => {
          const { clicker, action, form } = await open(button)
          const held = pauseBefore(client, isAnswer)
          const second = watch(processes === 1 ? held.client : client)
          const two = appWith(second.client)
          const one = processes === 1 ? two : appWith(held.client)
          const browsers = [clicker.copy(one), clicker.copy(two)] as const
          const first = browsers[0].post(action, form)
          await held.reached
          const other = browsers[1].post(action, form)
          await eventually('the second click to ask', () =>
            second.calls.some(({ command }) => command === 'get'),
          )
          held.release()
          const answers = [await first, await other]
          await expectOneClick(button, [
            [browsers[0], answers[0]?.headers.location],
            [browsers[1], answers[1]?.headers.location],
          ])
        })
      }
    })
  }

  it('whose second click comes after the first answer, which the browser may or may not have received', async () => {
    for (const button of Object.values(BUTTONS)) {
      prefixes = freshPrefixes()
      store = new UserSessionStore({ client, ...prefixes })
      users = await Users.create(demoUsers, { N: 2 })
      const { clicker, action, form } = await open(button)
      const before = clicker.copy()
      const first = await clicker.post(action, form)
      const [again, late] = [clicker.copy(), before]
      const answers = [await again.post(action, form), await late.post(action, form)]
      await expectOneClick(button, [
        [clicker, first.headers.location],
        [again, answers[0]?.headers.location],
        [late, answers[1]?.headers.location],
      ])
    }
  })

  it('accept the second click if the first has failed', async () => {
    const { clicker, action, form } = await open(BUTTONS['Sign out the others'] as Button)
    const failing = failBefore(client, isAnswer, new Error('gone'))
    const { error } = console
    console.error = () => {}
    try {
      expect((await clicker.copy(appWith(failing.client)).post(action, form)).status).to.equal(503)
    } finally {
      console.error = error
    }
    const forms = await client.keys(`${optionsFor(client, prefixes).prefix}form:*`)
    for (const key of forms)
      expect(await client.get(key), 'nobody waits for the first').not.to.equal('running')
    const answer = await clicker.post(action, form)
    expect(answer.headers.location).to.equal('/account')
    expect(await store.userSessions(grace.id)).to.have.length(1)
  })

  it('end the session of a browser that has signed in again, if the page with "Sign out" is from before', async () => {
    const { clicker, action, form } = await open(BUTTONS['Sign out'] as Button)
    await clicker.post(action, form)
    await clicker.signIn(grace)
    expect(await store.userSessions(grace.id)).to.have.length(3)
    const answer = await clicker.post(action, form)
    expect(await clicker.follow(answer)).to.include('You are signed out on this device.')
    expect(await store.userSessions(grace.id)).to.have.length(2)
  })

  it('on a wrong password keep a browser signed in that has sent the right one in between', async () => {
    const { clicker, action, form } = await open(BUTTONS['Sign in, with a wrong password'] as Button)
    await clicker.post(action, form)
    await clicker.signIn(grace)
    await clicker.post(action, form)
    expect(await isSignedIn(clicker)).to.equal(true)
  })

  it('do not show the answer to other browsers, and create no session', async () => {
    const { clicker, action, form } = await open(BUTTONS['Sign in'] as Button)
    await clicker.post(action, form)
    const stranger = new Browser(appWith(), CHROME)
    await stranger.get('/sign-in')
    const answer = await stranger.post(action, form)
    expect(await stranger.follow(answer)).to.include('This page was out of date.')
    expect(await isSignedIn(stranger)).to.equal(false)
  })

  it('leave no typed text in Redis', async () => {
    const { clicker, action, form } = await open(BUTTONS['Change password'] as Button)
    await clicker.post(action, form)
    const keys = await client.keys(`${optionsFor(client, prefixes).prefix}form:*`)
    expect(keys).to.have.length(4)
    for (const key of keys) {
      expect(await client.pTTL(key)).to.be.within(1, 60_000)
      expect(await client.get(key))
        .not.to.include(FRESH.new)
        .and.not.to.include(grace.password)
    }
  })
})
