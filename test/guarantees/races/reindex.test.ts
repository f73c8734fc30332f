/** Guarantee 1: `reindex` lists sessions of other programs, in batches, even if they change meanwhile. */
import { expect } from 'chai'
import { CorruptSessionError } from '../../../src/index.ts'
import { HOUR, inMs, MINUTE, rejection } from '../../support/database.ts'
import { newId, onEveryStage, type Scene, theRighting } from '../../support/scene.ts'

describe('reindex', () => {
  onEveryStage((scene) => {
    it('reports its progress after each batch', async () => {
      const ids = await Promise.all(Array.from({ length: 60 }, () => written(scene, 'alice')))
      const told: { scanned: number; indexed: number; total: number }[] = []
      const result = await scene.store({ scanCount: 5 }).reindex({ onProgress: (state) => told.push(state) })
      expect(result).to.deep.equal({ scanned: 60, indexed: 60 })
      expect(told.at(-1)).to.deep.equal({ scanned: 60, indexed: 60, total: 60 })
      expect(told.length).to.be.greaterThan(3)
      for (const { total } of told) expect(total).to.equal(60)
      expect(Object.keys(await scene.index('alice'))).to.have.members(ids)
    })

    it('lists a session that another store saves between its look and its listing', async () => {
      const id = await written(scene, 'alice')
      const { store, reached, release } = scene.stoppedBefore(theRighting)
      const reindexing = store.reindex()
      await reached
      await written(scene, 'alice', { cart: ['book'] }, id)
      release()
      expect(await reindexing).to.deep.equal({ scanned: 1, indexed: 1 })
      await scene.expectSignedIn(id, 'alice')
    })

    it('leaves a session alone that is destroyed between its look and its listing', async () => {
      const id = await written(scene, 'alice')
      const { store, reached, release } = scene.stoppedBefore(theRighting)
      const reindexing = store.reindex()
      await reached
      await scene.store().destroy(id)
      release()
      await reindexing
      await scene.expectGone(id)
    })

    it('continues after a record that is not valid UTF-8, which never reads as it is stored', async () => {
      const [broken, id] = [newId(), await written(scene, 'alice')]
      const record = Buffer.from(`{"userId":"bob","name":"\xff"}`, 'latin1')
      await scene.client.set(scene.sessionKey(broken), record, { PXAT: Date.now() + HOUR })
      expect(await scene.store().reindex()).to.include({ scanned: 2 })
      await scene.expectSignedIn(id, 'alice')
    })

    it('continues after a key of another program in the place of an index, and rejects at the end', async () => {
      const [bobs, id] = [await written(scene, 'bob'), await written(scene, 'alice')]
      await scene.client.set(scene.indexKey('bob'), 'foreign')
      // Each batch of SCAN holds few keys, in an order of its own.
      for (const scanCount of [1, 1000]) {
        const error = await rejection(scene.store({ scanCount }).reindex())
        expect(error)
          .to.be.instanceOf(CorruptSessionError)
          .and.include({ key: scene.indexKey('bob') })
        expect(Object.keys(await scene.index('alice'))).to.deep.equal([id])
        await scene.client.del(scene.indexKey('alice'))
      }
      expect(await scene.store().get(bobs)).to.include({ userId: 'bob' })
    })

    it('gives a session without a TTL the TTL that its next touch would set', async () => {
      const id = newId()
      const record = JSON.stringify({ userId: 'alice', expires: inMs(HOUR) })
      await scene.client.set(scene.sessionKey(id), record)
      expect(await scene.store().reindex()).to.deep.equal({ scanned: 1, indexed: 1 })
      await scene.expectSignedIn(id, 'alice')
      expect(await scene.expiry(id)).to.be.closeTo(Date.now() + HOUR, MINUTE)
      expect(await scene.client.get(scene.sessionKey(id))).to.equal(record)
    })
  })
})

/** A session as another store writes it, which no index lists; resolves to its id. */
async function written(scene: Scene, userId: string, fields = {}, id = newId()): Promise<string> {
  const cookie = { originalMaxAge: HOUR, expires: inMs(HOUR), httpOnly: true, path: '/' }
  const record = JSON.stringify({ cookie, userId, ...fields })
  await scene.client.set(scene.sessionKey(id), record, { PXAT: Date.parse(cookie.expires) })
  return id
}
