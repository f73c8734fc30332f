/** Guarantees 1 to 6 while a touch is under way, which does not look at all of the record. */
import { expect } from 'chai'
import { type LoadedSession, load, onEveryStage, type Scene, theWrite } from '../../support/scene.ts'
import type { Fields } from '../../support/sessions.ts'

describe('A touch that is under way', () => {
  onEveryStage((scene) => {
    it('keeps what a save without a touch of its own changes meanwhile (5, nothing lost)', async () => {
      const id = await scene.signIn('alice', { role: 'admin' })
      await touched(scene, id, (session) => Object.assign(session, { role: 'guest', cart: ['book'] }))
      expect(await scene.record(id)).to.deep.include({ role: 'guest', cart: ['book'] })
      await scene.expectSignedIn(id, 'alice')
      await scene.expectOneExpiry(id, 'alice')
    })

    it('and a later save of the same request change only what that request changed (5, nothing lost)', async () => {
      const id = await scene.signIn('alice', { role: 'admin' })
      const late = await touched(scene, id, (session) => Object.assign(session, { role: 'guest' }))
      await late.store.set(id, Object.assign(late.session, { cart: ['book'] }))
      expect(await scene.record(id)).to.deep.include({ role: 'guest', cart: ['book'] })
    })

    for (const [what, before, after] of [
      ['another user of a name as long', 'alice', 'boris'],
      ['nobody’s', 'alice', undefined],
      ['somebody’s', undefined, 'alice'],
    ] as const) {
      it(`leaves the indexes right where the session has become ${what} (1, indexed; 3, owned)`, async () => {
        const id = await scene.signIn(before, { note: 'note' })
        await touched(scene, id, (session) => {
          if (after === undefined) delete session.userId
          else session.userId = after
        })
        if (after !== undefined) await scene.expectSignedIn(id, after)
        if (before !== undefined) expect(await scene.index(before)).to.deep.equal({})
        if (after !== undefined) await scene.expectOneExpiry(id, after)
        expect((await scene.record(id)).userId).to.equal(after)
      })
    }

    it('does not take a record as long, of a user who signed in, for the anonymous one (1, indexed)', async () => {
      const id = await scene.signIn(undefined, { userIt: 'alice' })
      await touched(scene, id, (session) => {
        delete session.userIt
        session.userId = 'alice'
      })
      await scene.expectSignedIn(id, 'alice')
      await scene.expectOneExpiry(id, 'alice')
    })

    it('heals an index that Redis has evicted (1, indexed)', async () => {
      const id = await scene.signIn('alice')
      const store = scene.store()
      const session = await load(store, id)
      await scene.client.del(scene.indexKey('alice'))
      session.touch()
      await store.touch(id, session)
      await scene.expectSignedIn(id, 'alice')
    })

    it('drops expired entries of the user (4, bounded)', async () => {
      const id = await scene.signIn('alice')
      await scene.client.zAdd(scene.indexKey('alice'), { score: Date.now() - 1, value: 'expired' })
      await touched(scene, id)
      expect(Object.keys(await scene.index('alice'))).to.deep.equal([id])
    })
  })
})

/** Touches a session, and lets `change` be saved, with the cookie as it is, between the touch’s load and its write. */
async function touched(
  scene: Scene,
  id: string,
  change?: (session: LoadedSession & Fields) => void,
): Promise<{ store: ReturnType<Scene['store']>; session: LoadedSession }> {
  const { store, reached, release } = scene.stoppedBefore(theWrite)
  const session = await load(store, id)
  session.touch()
  const touching = store.touch(id, session)
  await reached
  if (change) {
    const other = scene.store()
    const now = await load(other, id)
    change(now)
    await other.set(id, now)
  }
  release()
  await touching
  return { store, session }
}
