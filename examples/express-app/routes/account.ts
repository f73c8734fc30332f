/** "Your devices": the list, and signing out one, the others, or all. */
import { Router } from 'express'
import type { UserSession, UserSessionStore } from '../../../src/index.ts'
import { field, userOf } from '../access.ts'
import type { Shared } from '../app.ts'
import { regenerate, saveAndRedirect } from '../session.ts'
import { count, describeDevice } from '../words.ts'

export function accountRoutes({ store, users, passwordLimits }: Shared): Router {
  const router = Router()

  router.get('/', async (req, res) => {
    res.render('account', { devices: await devicesOf(store, userOf(res).id, req.sessionID) })
  })

  router.get('/sessions/:handle/sign-out', async (req, res) => {
    const devices = await devicesOf(store, userOf(res).id, req.sessionID)
    const device = devices.find((device) => device.handle === req.params.handle)
    if (device) return res.render('sign-out-one', { device })
    req.session.flash = { kind: 'error', text: 'That device is not signed in any more.' }
    await saveAndRedirect(req, res, '/account')
  })

  router.post('/sessions/:handle/sign-out', async (req, res) => {
    const signedOut = await store.destroyUserSession(userOf(res).id, req.params.handle)
    req.session.flash = signedOut
      ? { kind: 'success', text: 'That device is signed out.' }
      : { kind: 'error', text: 'That device is not signed in any more.' }
    await saveAndRedirect(req, res, '/account')
  })

  router.get('/sign-out-others', async (req, res) => {
    const devices = await devicesOf(store, userOf(res).id, req.sessionID)
    res.render('sign-out-others', { devices: devices.filter((device) => !device.current) })
  })

  router.post('/sign-out-others', async (req, res) => {
    const signedOut = await store.destroyUser(userOf(res).id, { except: req.sessionID })
    req.session.flash = { kind: 'success', text: `Signed out ${count(signedOut, 'other device')}.` }
    await saveAndRedirect(req, res, '/account')
  })

  router.get('/sign-out-everywhere', (_req, res) => {
    res.render('sign-out-everywhere')
  })

  router.post('/sign-out-everywhere', ...passwordLimits, async (req, res) => {
    const user = userOf(res)
    if (!(await users.passwordMatches(user, field(req, 'password')))) {
      return res.status(422).render('sign-out-everywhere', { error: 'That is not your password.' })
    }
    users.renew(user.id)
    const signedOut = await store.destroyUser(user.id)
    await regenerate(req)
    req.session.flash = { kind: 'success', text: `You are signed out on ${count(signedOut, 'device')}.` }
    await saveAndRedirect(req, res, '/sign-in')
  })

  return router
}

/** The devices of a user, this one first. What leaves this function has a handle, and no session id. */
export async function devicesOf(store: UserSessionStore, userId: string, currentId: string) {
  const sessions = await store.userSessions(userId)
  const devices = sessions.map((session) => describe(session, currentId))
  return devices.sort((a, b) => Number(b.current) - Number(a.current))
}

function describe({ sessionId, handle, data, lastActive }: UserSession, currentId: string) {
  const { ip, signedInAt, userAgent } = data
  return {
    ...describeDevice(userAgent),
    handle,
    current: sessionId === currentId,
    ip,
    lastActive,
    signedInAt: signedInAt === undefined ? undefined : new Date(signedInAt),
  }
}
