/**
 * Some clients send a command again by themselves after its answer was lost. So Redis does it twice, and the app gets the
 * second answer. A sign-in, or a save that moves the end, still leaves the session listed, and a revocation ends it.
 */
import { expect } from 'chai'
import { createSession, updateSession } from '../../../src/index.ts'
import { HOUR, inMs } from '../../support/database.ts'
import { twice } from '../../support/paused-client.ts'
import { load, newId, onEveryStage, theWrite } from '../../support/scene.ts'
import { newSession } from '../../support/sessions.ts'

describe('a write that Redis does twice', () => {
  onEveryStage((scene) => {
    const sentTwice = (between?: () => Promise<unknown>) => {
      const { client } = twice(scene.client, theWrite, between)
      return { options: { ...scene.options, client }, store: scene.store({ client }) }
    }

    async function expectRevocable(sessionId: string, user = 'alice'): Promise<void> {
      await scene.expectSignedIn(sessionId, user)
      expect(await scene.store().destroyUser(user)).to.equal(1)
      expect(await scene.lives(sessionId)).to.equal(false)
    }

    it('signs in', async () => {
      const id = newId()
      await sentTwice().store.set(id, newSession({ userId: 'alice' }))
      await expectRevocable(id)
    })

    it('signs in a session that was anonymous, or of another user', async () => {
      for (const before of [undefined, 'bob']) {
        const id = await scene.signIn(before)
        const { store } = sentTwice()
        const session = Object.assign(await load(store, id), { userId: 'alice' })
        await store.set(id, session)
        await store.set(id, Object.assign(session, { cart: ['book'] }))
        expect(await scene.record(id))
          .to.have.property('cart')
          .that.deep.equals(['book'])
        await expectRevocable(id)
      }
    })

    it('signs in to an account with a limit, and ends the oldest session', async () => {
      const [old, id] = [await scene.signIn('alice'), await scene.signIn('bob')]
      const { options } = sentTwice()
      const store = scene.store({ client: options.client, maxUserSessions: 1 })
      await store.set(id, Object.assign(await load(store, id), { userId: 'alice' }))
      expect(await scene.lives(old)).to.equal(false)
      await expectRevocable(id)
    })

    it('creates a session', async () => {
      const expires = inMs(HOUR)
      const id = await createSession({ ...sentTwice().options, data: { userId: 'alice', expires } })
      await expectRevocable(id)
    })

    it('moves the end of a session', async () => {
      const [soon, later] = [inMs(HOUR), inMs(2 * HOUR)]
      for (const [from, expires] of [
        [soon, later],
        [later, soon],
      ] as [string, string][]) {
        const id = await createSession({ ...scene.options, data: { userId: 'alice', expires: from } })
        await updateSession({ ...sentTwice().options, sessionId: id, data: { expires } })
        expect(await scene.expiry(id)).to.equal(Date.parse(expires))
        await expectRevocable(id)
      }
    })

    it('signs in, with an update by another process in between', async () => {
      const id = newId()
      const update = () => updateSession({ ...scene.options, sessionId: id, data: { role: 'editor' } })
      const { store } = sentTwice(update)
      await store.set(id, newSession({ userId: 'alice' }))
      await expectRevocable(id)
    })

    it('moves the end of a session to later, with an update by another process in between', async () => {
      const [soon, later] = [inMs(HOUR), inMs(2 * HOUR)]
      const id = await createSession({ ...scene.options, data: { userId: 'alice', expires: soon } })
      const { options } = sentTwice(() =>
        updateSession({ ...scene.options, sessionId: id, data: { role: 'editor' } }),
      )
      await updateSession({ ...options, sessionId: id, data: { expires: later } })
      expect(await scene.record(id)).to.have.property('role', 'editor')
      await expectRevocable(id)
    })
  })
})
