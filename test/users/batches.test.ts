/** A user with more sessions than one command reads: the next sessions are read while the caller works on these. */
import { expect } from 'chai'
import { handleOf } from '../../src/session/handle.ts'
import { rejection, useDatabase } from '../support/database.ts'
import { type Call, failBefore, pauseBefore, runs, watch } from '../support/paused-client.ts'
import { theRemoval } from '../support/scene.ts'
import { readScript } from '../support/scripts.ts'
import { newSession } from '../support/sessions.ts'

/** Four batches: three of 100, and one of 50. */
const MANY = 350

describe('A user with many sessions', () => {
  const db = useDatabase()
  const isRead = runs(readScript)

  beforeEach(async () => {
    const store = db.store()
    const ids = Array.from({ length: MANY }, (_, n) => `s${n}`)
    await Promise.all(ids.map((id) => store.set(id, newSession({ userId: 'eva' }))))
  })

  const keysOf = ({ args }: Call) => Object(args[1]).keys as string[]

  /** Chooses the second batch that is read. */
  function secondRead(): (call: Call) => boolean {
    let reads = 0
    return (call) => isRead(call) && ++reads === 2
  }

  const left = async () => (await db.keys()).filter((key) => key !== db.indexKey('eva')).length

  it('is listed, updated and signed out as a whole', async () => {
    expect(await db.store().userSessions('eva')).to.have.length(MANY)
    expect(await db.store().updateUser('eva', { role: 'admin' } as never)).to.equal(MANY)
    const { client, calls } = watch(db.client)
    expect(await db.store({ client }).destroyUser('eva')).to.equal(MANY)
    expect(calls.filter(isRead)).to.have.length(4)
    expect(calls.filter(theRemoval)).to.have.length(4)
    expect(await db.keys()).to.deep.equal([])
  })

  it('has the next sessions read before the first are deleted', async () => {
    const { client, calls, reached, release } = pauseBefore(db.client, theRemoval)
    const revoking = db.store({ client }).destroyUser('eva')
    await reached
    expect(calls.filter(isRead)).to.have.length.at.least(3)
    release()
    expect(await revoking).to.equal(MANY)
  })

  it('keeps the next sessions if they cannot be read, and the call ends after the deletion of the first', async () => {
    const failing = failBefore(db.client, secondRead(), new Error('cut off'))
    const { client, reached, release } = pauseBefore(failing.client, theRemoval)
    let isOver = false
    const revoking = rejection(db.store({ client }).destroyUser('eva')).finally(() => {
      isOver = true
    })
    await reached
    await db.client.ping()
    expect(isOver).to.equal(false)
    release()
    expect(await revoking).to.have.property('message', 'cut off')
    expect(await left()).to.equal(MANY - 100)
    expect(await db.store().userSessions('eva')).to.have.length(MANY - 100)
  })

  it('has one of the first sessions signed out although the next ones cannot be read', async () => {
    const listing = watch(db.client)
    await db.store({ client: listing.client }).userSessions('eva')
    const [first] = keysOf(listing.calls.find(isRead) as Call)
    const id = String(first).slice(db.sessionKey('').length)
    const { client, calls } = failBefore(db.client, secondRead(), new Error('cut off'))
    expect(await db.store({ client }).destroyUserSession('eva', handleOf(id))).to.equal(true)
    expect(calls.filter(isRead), 'the first batch and two ahead, not the last').to.have.length(3)
    expect(await left()).to.equal(MANY - 1)
  })

  it('has no command under way after a call has ended', async () => {
    const [listed] = await db.store().userSessions('eva')
    const { client, reached, release } = pauseBefore(db.client, secondRead())
    let isOver = false
    const revoking = db
      .store({ client })
      .destroyUserSession('eva', String(listed?.sessionId))
      .finally(() => {
        isOver = true
      })
    await reached
    await Promise.all([db.client.ping(), db.client.ping()])
    expect(isOver).to.equal(false)
    release()
    expect(await revoking).to.equal(true)
  })
})
