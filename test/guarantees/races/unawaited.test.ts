/**
 * Calls that an app does not wait for, in one process: what follows them sees them. `req.session.destroy()` and
 * `req.session.save()` without a callback give the app nothing to wait for.
 */
import { expect } from 'chai'
import { appWith, browser, sessionOf } from '../../support/app.ts'
import { nextMillisecond } from '../../support/clock.ts'
import { HOUR, MINUTE } from '../../support/database.ts'
import { nextTurn } from '../../support/heard.ts'
import { failBefore } from '../../support/paused-client.ts'
import { load, newId, onEveryStage, theLoad, theRemoval, theWrite } from '../../support/scene.ts'
import { newSession } from '../../support/sessions.ts'

describe('a call that nobody waits for', () => {
  onEveryStage((scene) => {
    for (const [step, choice] of Object.entries({ look: theLoad, removal: theRemoval })) {
      it(`a destroy: a load finds nothing, when the destroy is held before its ${step}`, async () => {
        const id = await scene.signIn('alice')
        const { store, reached, release } = scene.stoppedBefore(choice)
        const destroyed = store.destroy(id)
        await reached
        const loaded = store.get(id)
        const again = store.load(id)
        release()
        expect([await loaded, await again]).to.deep.equal([null, undefined])
        await destroyed
        await scene.expectGone(id)
      })
    }

    it('a destroy: a session that is created under the same id stays', async () => {
      const id = await scene.signIn('alice')
      const { store, reached, release } = scene.stoppedBefore(theRemoval)
      const destroyed = store.destroy(id)
      await reached
      const created = store.set(id, newSession({ userId: 'bob' }))
      // Long enough for a create that does not wait.
      for (let commands = 0; commands < 20; commands++) await scene.lives(id)
      release()
      await Promise.all([destroyed, created])
      await scene.expectSignedIn(id, 'bob')
    })

    it('a destroy that fails: a load finds the session', async () => {
      const id = await scene.signIn('alice')
      const { client } = failBefore(scene.client, theRemoval, new Error('connection lost'))
      const store = scene.store({ client: client as never })
      const destroyed = store.destroy(id).catch((error: Error) => error.message)
      expect(await store.get(id)).to.have.property('userId', 'alice')
      expect(await destroyed).to.equal('connection lost')
      await store.destroy(id)
      expect(await store.get(id)).to.equal(null)
    })

    it('a destroy over HTTP: a sign-in right after it stays', async () => {
      const { store, reached, release } = scene.stoppedBefore(theRemoval)
      const app = appWith(store, {
        '/in': (req, res) => {
          sessionOf(req).userId = 'alice'
          res.json(req.sessionID)
        },
        '/out': (req, res) => {
          req.session.destroy(undefined as never)
          res.end()
        },
        '/': (req, res) => res.json(sessionOf(req).userId ?? null),
      })
      const device = browser(app)
      const first = (await device.get('/in')).body
      await device.get('/out')
      await reached
      const get = store.get.bind(store)
      store.get = (...args) => {
        // The request loads the session before the destroy goes on.
        setImmediate(release)
        return get(...args)
      }
      expect((await device.get('/in')).body).to.not.equal(first)
      expect((await device.get('/')).body).to.equal('alice')
    })

    it('a save that creates the session: a destroy deletes it', async () => {
      const id = newId()
      const { store, reached, release } = scene.stoppedBefore(theWrite)
      const saved = store.set(id, newSession({ userId: 'alice' }))
      await reached
      const destroyed = store.destroy(id)
      setImmediate(release)
      await Promise.all([saved, destroyed])
      await scene.expectGone(id)
    })

    for (const isNew of [true, false]) {
      it(`a save of ${isNew ? 'a new' : 'a loaded'} session: its touch waits`, async () => {
        const id = isNew ? newId() : await scene.signIn('alice')
        const { store, reached, release } = scene.stoppedBefore(theWrite)
        const session = isNew ? newSession({ userId: 'alice' }) : await load(store, id)
        // This process has just touched it, so a further touch has nothing to write.
        if (!isNew) await store.touch(id, session)
        Object.assign(session, { cart: ['book'] })
        const saved = store.set(id, session)
        await reached
        await expectToWait(store.touch(id, session), release)
        expect(await scene.record(id)).to.deep.include({ cart: ['book'] })
        await saved
      })
    }

    it('a save of a loaded session, with disableTouch: its touch waits, and changes nothing', async () => {
      const id = await scene.signIn('alice')
      const { client, reached, release } = scene.stoppedBefore(theWrite)
      const store = scene.store({ client: client as never, disableTouch: true })
      const session = Object.assign(await load(store, id), { cart: ['book'] })
      const saved = store.set(id, session)
      await reached
      await expectToWait(store.touch(id, session), release)
      await saved
      const expiry = await scene.expiry(id)
      await store.touch(id, session)
      expect(await scene.expiry(id)).to.equal(expiry)
    })

    it('a save: its touch keeps a cookie that has changed since', async () => {
      const { store, reached, release } = scene.stoppedBefore(theWrite)
      const [id, session] = [newId(), newSession({ userId: 'alice' })]
      const saved = store.set(id, session)
      await reached
      session.cookie.expires = new Date(Date.now() + MINUTE)
      session.cookie.originalMaxAge = MINUTE
      const touched = store.touch(id, session)
      release()
      await touched
      expect((await scene.record(id)).cookie.originalMaxAge).to.equal(MINUTE)
      expect(await scene.expiry(id)).to.be.below(Date.now() + HOUR / 2)
      await saved
    })

    it('a save that fails: its touch still moves the expiry', async () => {
      const id = await scene.signIn('alice')
      const { client } = failBefore(scene.client, theWrite, new Error('connection lost'))
      const store = scene.store({ client: client as never, touchInterval: 0 })
      const session = await load(store, id)
      const before = await scene.expiry(id)
      session.cart = ['book']
      const saved = store.set(id, session).catch((error: Error) => error.message)
      await nextMillisecond()
      session.cookie.expires = new Date(Date.now() + HOUR)
      await store.touch(id, session)
      expect(await saved).to.equal('connection lost')
      expect(await scene.expiry(id)).to.be.above(before)
    })
  })
})

/** Checks that a call does not end before `release`. */
async function expectToWait(call: Promise<void>, release: () => void): Promise<void> {
  const order: string[] = []
  const ended = call.then(() => order.push('ended'))
  await nextTurn()
  order.push('released')
  release()
  await ended
  expect(order).to.deep.equal(['released', 'ended'])
}
