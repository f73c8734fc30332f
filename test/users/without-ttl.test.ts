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

  it('reindex: JSON with neither a user nor a cookie is no session, and stays', async () => {
    await db.client.set(db.sessionKey('settings'), '{"theme":"dark"}')
    expect(await db.store().reindex()).to.deep.equal({ scanned: 1, indexed: 0 })
    expect(await db.expiry('settings')).to.equal(-1)
  })

  it('reindex: sessions that ended at or before 1970 stop nothing', async () => {
    for (const [n, data] of [{}, { userId: 'eva' }].entries()) {
      for (const expires of [new Date(0), new Date(-1)]) {
        const record = JSON.stringify({ ...data, cookie: { originalMaxAge: null, expires } })
        await db.client.set(db.sessionKey(`old${n}${+expires}`), record)
      }
    }
    const id = await old('s1')
    expect(await db.store().reindex()).to.have.property('scanned', 5)
    expect(await db.expiry(id)).to.be.closeTo(Date.now() + HOUR, MINUTE)
    expect(await db.store().ids()).to.deep.equal([id])
  })

  it('updateSession: a session that ended at 1970 is gone', async () => {
    const record = JSON.stringify({ userId: 'eva', cookie: { originalMaxAge: null, expires: new Date(0) } })
    await db.client.set(db.sessionKey('s1'), record)
    await updateSession({ ...db.options, sessionId: 's1', data: { seen: 1 } })
    expect(await db.raw('s1')).to.equal(null)
  })

  it('a maxAge that is no whole number of ms gives whole ones', async () => {
    const id = await old('s1', {
      userId: 'eva',
      cookie: { ...JSON.parse(JSON.stringify(usedCookie(DAY))), originalMaxAge: HOUR / 7 },
    })
    expect(await db.store().reindex()).to.include({ indexed: 1 })
    await expectListed(db, id, 'eva')
    await db.client.persist(db.sessionKey(id))
    expect(await db.store().updateUser('eva', { seen: 1 } as object)).to.equal(1)
    expect(await db.expiry(id)).to.be.closeTo(Date.now() + HOUR / 7, MINUTE)
  })

  it('with disableTouch, the expiry that the cookie says counts, if it has not passed', async () => {
    const store = db.store({ disableTouch: true })
    const record = JSON.stringify(newSession({ userId: 'eva' }, cookie(HOUR)))
    await db.client.set(db.sessionKey('s1'), record)
    await old('s2')
    await store.reindex()
    expect(await db.expiry('s2'), 'in use').to.be.closeTo(Date.now() + HOUR, MINUTE)
    const loaded = fields(await store.get('s1'))
    expect(await db.expiry('s1')).to.equal(loaded.cookie.expires && Date.parse(String(loaded.cookie.expires)))
  })
})
