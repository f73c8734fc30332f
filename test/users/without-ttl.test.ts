/**
 * Session keys without a TTL. connect-redis writes them with `disableTTL`, and then records the expiry of the last save
 * only. Such a session may be in use long after that time.
 */
import { expect } from 'chai'
import { accessOf } from '../../src/api/functions.ts'
import { updateSession, updateUserSessions } from '../../src/index.ts'
import { checkSessions } from '../../src/users/check.ts'
import { HOUR, MINUTE, useDatabase } from '../support/database.ts'
import { expectListed } from '../support/listed.ts'
import { cookie, fields, newSession, usedCookie } from '../support/sessions.ts'

const DAY = 24 * HOUR

describe('Keys without a TTL', () => {
  const db = useDatabase()

  /** As connect-redis leaves a session that was last saved a day ago, and is in use. */
  async function old(id: string, data: object = { userId: 'eva' }): Promise<string> {
    const record = JSON.stringify(newSession({ cookie: usedCookie(DAY), cart: ['tea'], ...data }))
    await db.client.set(db.sessionKey(id), record)
    expect(await db.expiry(id)).to.equal(-1)
    return id
  }

  const changes: Record<string, (id: string) => Promise<unknown>> = {
    reindex: () => db.store().reindex(),
    'check --repair': () => checkSessions(accessOf(db.options, []), { repair: true, onProblem: () => {} }),
    updateSession: (id) => updateSession({ ...db.options, sessionId: id, data: { seen: 1 } }),
    updateUserSessions: async () => {
      await db.client.zAdd(db.indexKey('eva'), { score: Date.now() + HOUR, value: 's1' })
      await updateUserSessions({ ...db.options, userId: 'eva', data: { seen: 1 } })
    },
    updateUser: async () => {
      await db.client.zAdd(db.indexKey('eva'), { score: Date.now() + HOUR, value: 's1' })
      await db.store().updateUser('eva', { seen: 1 } as object)
    },
  }
  for (const [name, change] of Object.entries(changes)) {
    it(`${name}: a session in use keeps living, for the cookie's maxAge from now`, async () => {
      const id = await old('s1')
      await change(id)
      expect(fields(await db.store().get(id)).cart).to.deep.equal(['tea'])
      expect(await db.expiry(id)).to.be.closeTo(Date.now() + HOUR, MINUTE)
      await expectListed(db, id, 'eva')
    })
  }

  it('updateSession: a session of the store keeps the end that its record says', async () => {
    const store = db.store()
    await store.set('s1', newSession({ userId: 'eva' }))
    await db.client.persist(db.sessionKey('s1'))
    const { until } = (await db.record('s1')).cookie.index as { until: number }
    await updateSession({ ...db.options, sessionId: 's1', data: { seen: 1 } })
    expect(await db.expiry('s1')).to.equal(until)
    await expectListed(db, 's1', 'eva')
  })

  it('reindex: an anonymous session gets a TTL, too', async () => {
    const ids = [await old('s1', {}), await old('s2', { cookie: cookie(null) })]
    expect(await db.store().reindex()).to.deep.equal({ scanned: 2, indexed: 0 })
    for (const id of ids) {
      expect(await db.expiry(id)).to.be.above(Date.now())
      expect(fields(await db.store().get(id)).cart).to.deep.equal(['tea'])
    }
    expect(await db.keys()).to.have.lengthOf(2)
  })

  it('reindex: absoluteTtl ends it no later than its start allows', async () => {
    const id = await old('s1', { userId: 'eva', sessionCreated: Date.now() - 2 * HOUR })
    const limited = db.store({ absoluteTtl: (2 * HOUR + MINUTE) / 1000 })
    await limited.reindex()
    expect(await db.expiry(id)).to.be.closeTo(Date.now() + MINUTE, 10_000)
  })
})
