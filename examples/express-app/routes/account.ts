/** "Your devices": the list, its history, and signing out the other devices or all of them. */
import { Router } from 'express'
import { requireRecentPassword, userOf } from '../access.ts'
import { answer, done } from '../answers.ts'
import type { Shared } from '../app.ts'
import { devicesOf, grouped } from '../devices.ts'
import { endSession } from '../session.ts'
import { count } from '../words.ts'

export function accountRoutes({ store, users, history, describePlace }: Shared): Router {
  const router = Router()

  router.get('/', async (req, res) => {
    const devices = await devicesOf(store, describePlace, userOf(res).id, req.sessionID)
    res.render('account', { devices, groups: grouped(devices) })
  })

  router.get('/history', async (req, res) => {
    const { id } = userOf(res)
    const devices = await devicesOf(store, describePlace, id, req.sessionID)
    const live = new Set(devices.map(({ handle }) => handle))
    res.render('history', { visits: await history.visits(id, live) })
  })

  router.get('/sign-out-others', async (req, res) => {
    const devices = await devicesOf(store, describePlace, userOf(res).id, req.sessionID)
    res.render('sign-out-others', { devices: devices.filter(({ current }) => !current) })
  })

  router.post('/sign-out-others', async (req, res) => {
    const signedOut = await store.destroyUser(userOf(res).id, { except: req.sessionID })
    const text =
      signedOut > 0 ? `Signed out ${count(signedOut, 'other device')}.` : 'No other device was signed in.'
    await answer(req, res, '/account', done(text))
  })

  router.get('/sign-out-everywhere', requireRecentPassword, (_req, res) => {
    res.render('sign-out-everywhere')
  })

  router.post('/sign-out-everywhere', requireRecentPassword, async (req, res) => {
    const user = userOf(res)
    users.renew(user.id)
    const signedOut = await store.destroyUser(user.id)
    await endSession(req, res)
    await answer(req, res, '/sign-in', done(`You are signed out on ${count(signedOut, 'device')}.`))
  })

  return router
}
