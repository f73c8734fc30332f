/** The page of one session, "Was this you?", and signing it out. */
import { type Request, type Response, Router } from 'express'
import { userOf } from '../access.ts'
import { answer, done, type Flash, problem } from '../answers.ts'
import type { Shared } from '../app.ts'
import { type Device, devicesOf } from '../devices.ts'
import type { Visit } from '../history.ts'
import { endSession } from '../session.ts'
import { LONGEST_SESSION_DAYS } from '../store.ts'

export function sessionRoutes({ store, history, describePlace }: Shared): Router {
  const router = Router()

  const find = async (req: Request<{ handle: string }>, res: Response) => {
    const { id } = userOf(res)
    const devices = await devicesOf(store, describePlace, id, req.sessionID)
    const device = devices.find(({ handle }) => handle === req.params.handle)
    if (device) return { device }
    const visits = await history.visits(id, new Set(devices.map(({ handle }) => handle)))
    return { visit: visits.find(({ handle }) => handle === req.params.handle) }
  }

  router.get('/sessions/:handle', async (req, res) => {
    const { device, visit } = await find(req, res)
    if (!device && !visit) return answer(req, res, '/account', gone())
    res.render('session', { device: device ?? visit, isLive: device !== undefined, LONGEST_SESSION_DAYS })
  })

  router.get('/sessions/:handle/sign-out', async (req, res) => {
    const { device, visit } = await find(req, res)
    if (!device) return answer(req, res, '/account', gone(visit))
    res.render('sign-out-one', { device })
  })

  router.post('/sessions/:handle/sign-out', async (req, res) => {
    const { device, visit } = await find(req, res)
    if (device?.current) {
      await endSession(req, res)
      return answer(req, res, '/sign-in', done('You are signed out on this device.'))
    }
    await answer(req, res, '/account', await signOut(res, device, visit))
  })

  /** "No, that was not me": the other person knows the password. */
  router.post('/sessions/:handle/not-me', async (req, res) => {
    const { device, visit } = await find(req, res)
    const { text } = await signOut(res, device?.current ? undefined : device, visit)
    await answer(req, res, '/account/password', done(`${text} Now choose a new password.`))
  })

  async function signOut(res: Response, device?: Device, visit?: Visit): Promise<Flash> {
    const found = device !== undefined && (await store.destroyUserSession(userOf(res).id, device.handle))
    return found ? done(`${device.name} is signed out.`) : gone(device ?? visit)
  }

  return router
}

/** Another user's session is shown as gone, too. */
const gone = (known?: { name: string }): Flash =>
  problem(`${known?.name ?? 'That device'} is not signed in any more.`)
