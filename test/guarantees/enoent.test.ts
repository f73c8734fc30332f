/** An error of the client with the code ENOENT. express-session takes that code for a missing session. */
import { runInNewContext } from 'node:vm'
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

  for (const [name, error] of Object.entries({
    'of another realm, as in Jest': runInNewContext(
      "Object.assign(new Error('connect ENOENT'), { code: 'ENOENT' })",
    ),
    'that is a plain object': { message: 'connect ENOENT', code: 'ENOENT' },
    'that is frozen': Object.freeze(unreachable()),
    'with a getter for its code': new (class extends Error {
      get code() {
        return 'ENOENT'
      }
    })('connect ENOENT'),
  })) {
    it(`in an error ${name} is no missing session either`, async () => {
      const { client } = failBefore(db.client, 1, error as Error)
      const seen = await rejection(db.store({ client }).get('s1'))
      expect(seen.message).to.include('connect ENOENT')
      expect(seen).to.not.have.property('code', 'ENOENT')
    })
  }

  for (const nothing of [undefined, null, false, 0, '']) {
    it(`a client that rejects with ${JSON.stringify(nothing)} fails the callback too, and is no missing session`, async () => {
      const { client } = failBefore(db.client, 1, nothing as unknown as Error)
      const [error] = await new Promise<unknown[]>((resolve) => {
        const promise = db.store({ client }).get('s1', (...said: unknown[]) => resolve(said))
        promise.catch(() => {})
      })
      expect(error).to.be.instanceOf(Error)
    })
  }

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
