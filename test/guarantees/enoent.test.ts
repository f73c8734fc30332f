/** The code ENOENT, which express-session takes for "there is no session", in an error of the client. */
import { expect } from 'chai'
import { createSession, readSession } from '../../src/index.ts'
import { appWith, browser, cookieFor, sessionOf } from '../support/app.ts'
import { HOUR, inMs, rejection, useDatabase } from '../support/database.ts'
import { failBefore } from '../support/paused-client.ts'
import { theLoad } from '../support/scene.ts'
import { newSession } from '../support/sessions.ts'

describe('Guarantee 8, bounded waiting: an error with the code ENOENT', () => {
  const db = useDatabase()
  const unreachable = () => Object.assign(new Error('connect ENOENT /redis.sock'), { code: 'ENOENT' })
  const failing = () => failBefore(db.client, 1, unreachable()).client

  it('of the client is no missing session: get rejects, by promise and by callback', async () => {
    await db.store().set('s1', newSession({ userId: 'eva' }))
    const error = await rejection(db.store({ client: failing() }).get('s1'))
    expect(error.message).to.include('ENOENT')
    expect(error).to.not.have.property('code', 'ENOENT')
    const [reported, session] = await new Promise<unknown[]>((resolve) => {
      db.store({ client: failing() }).get('s1', (...said: unknown[]) => resolve(said))
    })
    expect(reported).to.be.instanceOf(Error).and.not.have.property('code', 'ENOENT')
    expect(session).to.equal(undefined)
  })

  it('over HTTP is an error, and the session is there when Redis is again', async () => {
    await db.store().set('s1', newSession({ userId: 'eva' }))
    const { client } = failBefore(db.client, theLoad, unreachable())
    const device = browser(
      appWith(db.store({ client }), {
        '/who': (req, res) => res.json({ user: sessionOf(req).userId ?? null }),
      }),
    )
    await device.get('/who').set('cookie', cookieFor('s1')).expect(500)
    await device.get('/who').set('cookie', cookieFor('s1')).expect({ user: 'eva' })
  })

  it('keeps its code in the functions, where the code has no special meaning', async () => {
    await createSession({ ...db.options, sessionId: 's1', data: { userId: 'eva', expires: inMs(HOUR) } })
    const error = await rejection(readSession({ ...db.options, client: failing(), sessionId: 's1' }))
    expect(error).to.have.property('message', 'connect ENOENT /redis.sock')
  })
})
