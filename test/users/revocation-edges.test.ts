/** Edge cases of revocation: the count, the number of listings, the keys of its commands, and when it gives up. */
import { expect } from 'chai'
import { deleteSession, SessionConflictError } from '../../src/index.ts'
import type { Access } from '../../src/redis/access.ts'
import { maxAttempts } from '../../src/redis/compare-and-set.ts'
import { Destroyed } from '../../src/redis/destroyed.ts'
import { indexPage, outcome, storedRecords } from '../../src/redis/replies.ts'
import { revokeOne } from '../../src/users/revoke.ts'
import { HOUR, rejection, useDatabase } from '../support/database.ts'
import { type Call, pauseBefore, watch } from '../support/paused-client.ts'
import { theRemoval } from '../support/scene.ts'
import { pageScript } from '../support/scripts.ts'
import { fields, newSession } from '../support/sessions.ts'

describe('Revocation', () => {
  const db = useDatabase()
  const scripts = (calls: Call[]) => calls.filter(({ command }) => command === 'evalSha')
  /** The keys that plain commands and scripts name. */
  const keysOf = (calls: Call[]) =>
    calls.flatMap(({ args }) => (Object(args[1]).keys as string[] | undefined) ?? [String(args[0])])

  it('does not count a session that another call deletes first', async () => {
    await db.store().set('s1', newSession({ userId: 'eva' }))
    const { client, reached, release } = pauseBefore(db.client, theRemoval)
    const revoking = db.store({ client }).destroyUser('eva')
    await reached
    await db.store().destroy('s1')
    release()
    expect(await revoking).to.equal(0)
    expect(await db.keys()).to.deep.equal([])
  })

  it('of a session reads it and removes it, and of one that is not there no more than reads', async () => {
    for (const [data, removal] of [
      [{ userId: 'eva' }, 'evalSha'],
      [{}, 'getDel'],
    ] as const) {
      for (const how of ['destroy', 'deleteSession'] as const) {
        await db.store().set('s1', newSession(data))
        const { client, calls } = watch(db.client)
        const revoke = () =>
          how === 'destroy'
            ? db.store({ client }).destroy('s1')
            : deleteSession({ ...db.options, client, sessionId: 's1' })
        await revoke()
        expect(calls.map(({ command }) => command)).to.deep.equal(['get', removal])
        await revoke()
        expect(calls.map(({ command }) => command)).to.deep.equal(['get', removal, 'get'])
      }
    }
  })

  it('of a user looks once more after it has found something, and no more often', async () => {
    await db.store().set('s1', newSession({ userId: 'eva' }))
    const { client, calls } = watch(db.client)
    expect(await db.store({ client }).destroyUser('eva')).to.equal(1)
    expect(scripts(calls), 'page, read, remove, page').to.have.length(4)
  })

  it('of a user ends, even if the user keeps signing in', async () => {
    let looks = 0
    const client = new Proxy(db.client, {
      get(target, property) {
        const value = Reflect.get(target, property, target)
        if (property !== 'evalSha') return typeof value === 'function' ? value.bind(target) : value
        return async (sha1: string, options: object) => {
          if (sha1 === pageScript.sha1) await db.store().set(`s${++looks}`, newSession({ userId: 'eva' }))
          return target.evalSha(sha1, options)
        }
      },
    })
    await db.store().userSessions('nobody')
    expect(await db.store({ client }).destroyUser('eva')).to.equal(3)
    expect(looks).to.equal(3)
  })

  it('of a Passport session by deleteSession leaves no entry, and of an anonymous session sends no index', async () => {
    await db.store().set('s1', newSession({ passport: { user: 7 } }))
    await deleteSession({ ...db.options, sessionId: 's1' })
    expect(await db.keys()).to.deep.equal([])
    await db.store().set('s2', newSession())
    const { client, calls } = watch(db.client)
    await deleteSession({ ...db.options, client, sessionId: 's2' })
    expect(new Set(keysOf(calls))).to.deep.equal(new Set([db.sessionKey('s2')]))
  })

  it('of a Passport session that signs in as another user at the same time leaves no entry of that user', async () => {
    const store = db.store()
    await store.set('s1', newSession({ passport: { user: 7 } }))
    const { client, reached, release } = pauseBefore(db.client, theRemoval)
    const deleting = deleteSession({ ...db.options, client, sessionId: 's1' })
    await reached
    await store.set('s1', Object.assign(fields(await store.get('s1')), { passport: { user: 8 } }))
    release()
    await deleting
    expect(await db.keys()).to.deep.equal([])
  })

  it('a save of an anonymous session sends no index', async () => {
    const { client, calls } = watch(db.client)
    await db.store({ client }).set('s1', newSession())
    expect(new Set(keysOf(calls))).to.deep.equal(new Set([db.sessionKey('s1')]))
  })

  it('a save of a user’s new session sends the index of that user only', async () => {
    const { client, calls } = watch(db.client)
    await db.store({ client }).set('s1', newSession({ userId: 'eva' }))
    expect(new Set(keysOf(calls))).to.deep.equal(new Set([db.sessionKey('s1'), db.indexKey('eva')]))
  })

  it('destroyUserSession of an id that names nothing, or something corrupt, is false', async () => {
    await db.client.set(db.sessionKey('s1'), 'no JSON')
    for (const id of ['unknown', 's1']) expect(await db.store().destroyUserSession('eva', id)).to.equal(false)
    expect(await db.raw('s1')).to.equal('no JSON')
  })

  it('rejects with SessionConflictError after ten thousand failed attempts', async () => {
    let attempts = 0
    const access = {
      records: { remove: async () => [{ done: false, current: `{"userId":"eva","n":${++attempts}}` }] },
      keys: { session: (id: string) => id },
      destroyed: new Destroyed(),
      serializer: JSON,
      userId: () => 'eva',
    } as unknown as Access
    const endless = revokeOne(access, { sessionId: 's1', raw: '{}', session: null })
    expect(await rejection(endless)).to.be.instanceOf(SessionConflictError)
    expect(attempts).to.equal(maxAttempts)
  })
})

describe('The reply of Redis', () => {
  it('tells whether the session was deleted, and whether the message was published', () => {
    expect(outcome(Date.now() + HOUR)).to.deep.equal({ done: true })
    expect(outcome(1)).to.deep.equal({ done: true })
    expect(outcome(2)).to.deep.equal({ done: true, unannounced: true })
    expect(outcome(0)).to.deep.equal({ done: false, current: null })
    expect(outcome(['r1'])).to.deep.equal({ done: false, current: 'r1' })
    expect(outcome(-1)).to.deep.equal({ done: false, current: null, full: true })
  })

  it('has as many records, and entries, as were asked for', () => {
    expect(storedRecords(['r1', 5, null, -2, null, -1])).to.deep.equal([
      { raw: 'r1', foreign: false, expires: 5 },
      { raw: null, foreign: false, expires: null },
      { raw: null, foreign: true, expires: null },
    ])
    expect(indexPage(['0', ['s1', '5', 's2', '-6.5']])).to.deep.equal({
      cursor: '0',
      entries: [
        { sessionId: 's1', score: 5 },
        { sessionId: 's2', score: -6.5 },
      ],
    })
  })
})
