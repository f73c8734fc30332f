/** An app that is deployed with a lower `ttl`: the next touch shortens the sessions that are in use. */
import { expect } from 'chai'
import type { SessionData } from 'express-session'
import { nextMillisecond } from '../support/clock.ts'
import { HOUR, MINUTE, useDatabase } from '../support/database.ts'
import { expectListed } from '../support/listed.ts'
import { watch } from '../support/paused-client.ts'
import { cookie, newSession } from '../support/sessions.ts'

const DAY = 24 * HOUR

describe('A lower ttl', () => {
  const db = useDatabase()

  for (const lifetime of [HOUR, 0.5 * DAY, 0.89 * DAY]) {
    it(`shortens a user’s session at its next touch, once: from ${DAY} to ${lifetime} ms`, async () => {
      await db.store({ ttl: DAY / 1000 }).set('s1', newSession({ userId: 'eva' }, cookie(null)))
      const { client, calls } = watch(db.client)
      const store = db.store({ client, ttl: lifetime / 1000, touchInterval: 0 })
      await store.touch('s1', (await store.get('s1')) as SessionData)
      expect(await db.expiry('s1')).to.be.closeTo(Date.now() + lifetime, MINUTE)
      expect(await expectListed(db, 's1', 'eva')).to.be.below(Date.now() + lifetime * 1.2)

      const session = (await store.get('s1')) as SessionData
      calls.length = 0
      // A touch to the same millisecond sends nothing.
      await nextMillisecond()
      await store.touch('s1', session)
      expect(calls.map(({ command }) => command)).to.deep.equal(['pExpireAt'])
    })
  }

  it('shortens the session of a user whose next request changes it', async () => {
    await db.store({ ttl: DAY / 1000 }).set('s1', newSession({ userId: 'eva' }, cookie(null)))
    const store = db.store({ ttl: HOUR / 1000 })
    await store.set('s1', Object.assign((await store.get('s1')) as SessionData, { cart: ['tea'] }))
    expect(await db.expiry('s1')).to.be.closeTo(Date.now() + HOUR, MINUTE)
    await expectListed(db, 's1', 'eva')
  })
})
