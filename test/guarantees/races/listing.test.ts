/**
 * Guarantees 1 and 3: a listing removes wrong entries and hides no live session. Meanwhile sessions begin, end and change
 * their owner.
 */
import { expect } from 'chai'
import { createSession, deleteUserSessions, getUserSessions, updateUserSessions } from '../../../src/index.ts'
import { handleOf } from '../../../src/session/handle.ts'
import { HOUR, inMs, MINUTE, rejection } from '../../support/database.ts'
import { ClientDied, dieAfter, failAfter, pauseBefore } from '../../support/paused-client.ts'
import {
  load,
  newId,
  onEveryStage,
  type Scene,
  theCondemnation,
  thePruning,
  theRemoval,
  theRighting,
  theWrite,
} from '../../support/scene.ts'
import { newSession } from '../../support/sessions.ts'

const listings: Record<
  string,
  (options: Scene['options'], store: ReturnType<Scene['store']>) => Promise<unknown>
> = {
  userSessions: (_, store) => store.userSessions('alice'),
  getUserSessions: (options) => getUserSessions({ ...options, userId: 'alice' }),
}

describe('a live session is in the index of its user, and in no other', () => {
  onEveryStage((scene) => {
    for (const [name, list] of Object.entries(listings)) {
      it(`when ${name} prunes its entry while a session is made again under that id`, async () => {
        const id = newId()
        const data = { userId: 'alice', expires: inMs(HOUR) }
        await createSession({ ...scene.options, sessionId: id, data })
        await scene.expire(id)
        const { options, store, reached, release } = scene.stoppedBefore(thePruning)
        const listing = list(options, store)
        await reached
        await createSession({ ...scene.options, sessionId: id, data })
        release()
        await listing
        await scene.expectSignedIn(id, 'alice')
      })

      it(`when ${name} prunes while a sign-in under that id is at its write`, async () => {
        const id = newId()
        await scene.client.zAdd(scene.indexKey('alice'), { value: id, score: Date.now() + HOUR })
        const lister = scene.stoppedBefore(thePruning)
        const listing = list(lister.options, lister.store)
        await lister.reached
        const { store, reached, release } = scene.stoppedBefore(theWrite)
        const signingIn = store.set(id, newSession({ userId: 'alice' }))
        await reached
        lister.release()
        await listing
        release()
        await signingIn
        await scene.expectSignedIn(id, 'alice')
      })

      it(`when ${name} looks in the middle of a sign-in`, async () => {
        const id = newId()
        const { store, reached, release } = scene.stoppedBefore(theWrite)
        const signingIn = store.set(id, newSession({ userId: 'alice' }))
        await reached
        await list(scene.options, scene.store())
        release()
        await signingIn
        await scene.expectSignedIn(id, 'alice')
      })

      it(`when ${name} prunes it as another user's while this user signs in to it`, async () => {
        const id = await scene.signIn('bob')
        await scene.client.zAdd(scene.indexKey('alice'), { value: id, score: await scene.expiry(id) })
        const { options, store, reached, release } = scene.stoppedBefore(thePruning)
        const listing = list(options, store)
        await reached
        await scene.request(id, { userId: 'alice' })
        release()
        await listing
        await scene.expectSignedIn(id, 'alice')
      })

      it(`when ${name} puts its score right while it is touched`, async () => {
        const id = await scene.signIn('alice')
        await scene.client.zAdd(scene.indexKey('alice'), { value: id, score: Date.now() + MINUTE })
        const { options, store, reached, release } = scene.stoppedBefore(theRighting)
        const listing = list(options, store)
        await reached
        const toucher = scene.store()
        const touched = await load(toucher, id)
        touched.cookie.maxAge = 2 * HOUR
        await toucher.touch(id, touched)
        release()
        await listing
        await scene.expectSignedIn(id, 'alice')
      })
    }

    it('when a lister that saw its sign-in in the middle prunes after it, and dies there', async () => {
      const id = newId()
      const signIn = scene.stoppedBefore(theWrite)
      const signingIn = signIn.store.set(id, newSession({ userId: 'alice' }))
      await signIn.reached
      // On one server nothing of the sign-in is to be seen yet.
      await scene.client.zAdd(scene.indexKey('alice'), { value: id, score: 1 }, { condition: 'NX' })
      const mortal = dieAfter(scene.client, thePruning)
      const { client, reached, release } = pauseBefore(mortal.client, thePruning)
      const listing = scene.store({ client }).userSessions('alice')
      const ended = listing.catch((error) => error)
      // On Cluster the listing leaves an entry alone that is not confirmed, so it does not reach this step.
      if (scene.topology.name === 'cluster') expect(await ended).to.deep.equal([])
      else await reached
      signIn.release()
      await signingIn
      release()
      if (scene.topology.name !== 'cluster') expect(await ended).to.be.instanceOf(ClientDied)
      await scene.expectSignedIn(id, 'alice')
    })

    it('when a lister prunes the entry of a dead session after a sign-in under its id, and then dies', async () => {
      const id = newId()
      const data = { userId: 'alice', expires: inMs(MINUTE) }
      await createSession({ ...scene.options, sessionId: id, data })
      await scene.expire(id)
      const mortal = dieAfter(scene.client, thePruning)
      const { client, reached, release } = pauseBefore(mortal.client, thePruning)
      const died = scene
        .store({ client })
        .userSessions('alice')
        .catch((error) => error)
      await reached
      await scene.signIn('alice', {}, id)
      release()
      expect(await died).to.be.instanceOf(ClientDied)
      await scene.expectSignedIn(id, 'alice')
    })

    it('when a revocation of the earlier session with the same id runs in the middle of its sign-in', async () => {
      const id = await scene.signIn('alice')
      const revoker = scene.stoppedBefore((call) => theCondemnation(call) || theRemoval(call))
      const revoking = revoker.store.destroyUser('alice')
      await revoker.reached
      await scene.store().destroy(id)
      const { store, reached, release } = scene.stoppedBefore(theWrite)
      const signingIn = store.set(id, newSession({ userId: 'alice' }))
      await reached
      revoker.release()
      expect(await revoking).to.equal(0)
      release()
      await signingIn
      await scene.expectSignedIn(id, 'alice')
    })

    it('when its first user signs in again while the change to another user ends, and that process dies', async () => {
      const id = await scene.signIn('alice')
      const switcher = scene.stoppedBefore(theCondemnation)
      const switching = switcher.store.set(
        id,
        Object.assign(await load(switcher.store, id), { userId: 'bob' }),
      )
      await Promise.race([switcher.reached, switching])
      const mortal = dieAfter(scene.client, theWrite)
      const { client, reached, release } = pauseBefore(mortal.client, theWrite)
      const store = scene.store({ client })
      const back = store.set(id, Object.assign(await load(store, id), { userId: 'alice' }))
      const died = rejection(back)
      await reached
      switcher.release()
      await switching
      release()
      expect(await died).to.be.instanceOf(ClientDied)
      expect(await scene.record(id)).to.have.property('userId', 'alice')
      expect(await scene.index('alice')).to.have.property(id)
      expect(await scene.store().userSessions('alice')).to.have.lengthOf(1)
    })

    it('when the answer to its sign-in is lost', async () => {
      const [id, lost] = [newId(), new Error('lost')]
      const { client } = failAfter(scene.client, theWrite, lost)
      const signIn = scene.store({ client }).set(id, newSession({ userId: 'alice' }))
      expect(await rejection(signIn)).to.equal(lost)
      await scene.expectSignedIn(id, 'alice')
    })

    it('and no entry is left when the session expires in the middle of a save that moves its entry', async () => {
      const id = await scene.signIn('alice')
      const { store, reached, release } = scene.stoppedBefore(theWrite)
      const late = await load(store, id)
      late.cookie.maxAge = 5 * HOUR
      const saving = store.set(id, late)
      await reached
      await scene.expire(id)
      release()
      await saving
      // On one server the next listing removes the entry of a session that has expired.
      if (scene.topology.name !== 'cluster') await scene.store().userSessions('alice')
      await scene.expectGone(id)
    })

    it('when two touches to an earlier end meet, and one lowers the entry in the middle of the other', async () => {
      const id = await scene.signIn('alice')
      const first = scene.stoppedBefore(thePruning)
      const ending = await load(first.store, id)
      ending.cookie.maxAge = MINUTE
      const ends = first.store.touch(id, ending)
      // On one server there is no step of its own that lowers the entry.
      if (scene.topology.name === 'cluster') await first.reached
      else await ends
      const second = scene.stoppedBefore(theWrite)
      const touched = await load(second.store, id)
      touched.cookie.maxAge = HOUR / 2
      const touches = second.store.touch(id, touched)
      await second.reached
      first.release()
      await ends
      second.release()
      await touches
      await scene.expectSignedIn(id, 'alice')
    })

    it('when a listing puts its score right while another user signs in to it', async () => {
      const id = await scene.signIn('alice')
      await scene.client.zAdd(scene.indexKey('alice'), { value: id, score: Date.now() + MINUTE })
      const { store, reached, release } = scene.stoppedBefore(theRighting)
      const listing = store.userSessions('alice')
      await reached
      await scene.request(id, { userId: 'bob' })
      release()
      await listing
      // On Cluster the entry may stay until the next listing.
      if (scene.topology.name === 'cluster') await scene.store().userSessions('alice')
      await scene.expectSignedIn(id, 'bob')
    })

    it('when another user signs in to it while updateUser is at its write, which spares it', async () => {
      const id = await scene.signIn('alice', { role: 'admin' })
      const { store, reached, release } = scene.stoppedBefore(theWrite)
      const updating = store.updateUser('alice', { role: 'guest' } as never)
      await reached
      await scene.request(id, { userId: 'bob' })
      release()
      expect(await updating).to.equal(0)
      await scene.expectSignedIn(id, 'bob')
      expect(await scene.record(id)).to.have.property('role', 'admin')
    })

    it('when it changes from user to user, and back, while the first one is listed', async () => {
      const id = await scene.signIn('alice')
      const { store, reached, release } = scene.stoppedBefore(theWrite)
      const switching = store.set(id, Object.assign(await load(store, id), { userId: 'bob' }))
      await reached
      await scene.store().userSessions('alice')
      await scene.store().userSessions('bob')
      release()
      await switching
      await scene.expectSignedIn(id, 'bob')
      await scene.request(id, { userId: 'alice' })
      await scene.expectSignedIn(id, 'alice')
      await scene.request(id, { userId: undefined })
      expect(await scene.keys()).to.deep.equal([scene.sessionKey(id)])
    })

    it('and a stale entry of another user does nothing to it', async () => {
      const id = await scene.signIn('bob', { role: 'admin' })
      const stale = () =>
        scene.client.zAdd(scene.indexKey('alice'), { value: id, score: Date.now() + 2 * HOUR })
      const store = scene.store()
      for (const work of [
        () => store.destroyUser('alice'),
        () => store.destroyUserSession('alice', id),
        () => store.destroyUserSession('alice', handleOf(id)),
        () => store.updateUser('alice', { role: 'guest' } as never),
        () => store.userSessions('alice'),
        () => deleteUserSessions({ ...scene.options, userId: 'alice' }),
        () => updateUserSessions({ ...scene.options, userId: 'alice', data: { role: 'guest' } }),
        () => getUserSessions({ ...scene.options, userId: 'alice' }),
      ]) {
        await stale()
        expect((await work()) || []).to.deep.equal([])
        await scene.expectSignedIn(id, 'bob')
        expect(await scene.record(id)).to.have.property('role', 'admin')
      }
    })
  })
})
