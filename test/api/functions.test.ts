import { expect } from 'chai'
import {
  createSession,
  deleteSession,
  deleteUserSessions,
  getUserSessions,
  readSession,
  SessionNotFoundError,
  SessionUserError,
  updateSession,
  updateUserSessions,
} from '../../src/index.ts'
import { handleOf } from '../../src/session/handle.ts'
import { nextMillisecond } from '../support/clock.ts'
import { HOUR, inMs, MINUTE, rejection, useDatabase } from '../support/database.ts'

const past = () => inMs(-MINUTE)

describe('createSession', () => {
  const db = useDatabase()

  it('keeps the data as given, and reads it back', async () => {
    const data = { userId: 'eva', expires: inMs(HOUR), role: 'admin', cart: [{ id: 1 }], nothing: null }
    expect(await createSession({ ...db.options, sessionId: 's1', data })).to.equal('s1')
    expect(await db.raw('s1')).to.equal(JSON.stringify(data))
    expect(await readSession({ ...db.options, sessionId: 's1' })).to.deep.equal(data)
  })

  it('makes an id of 24 random bytes, base64url, and resolves to it', async () => {
    const data = { userId: 'eva', expires: inMs(HOUR) }
    const ids = [
      await createSession({ ...db.options, data }),
      await createSession({ ...db.options, sessionId: undefined, data }),
    ]
    expect(ids[0]).to.match(/^[\w-]{32}$/)
    expect(ids[0]).to.not.equal(ids[1])
    expect(Buffer.from(ids[0] as string, 'base64url')).to.have.lengthOf(24)
    expect(Object.keys(await db.index('eva'))).to.have.members(ids)
  })

  it('uses the prefixes session: and user: by default', async () => {
    const sessionId = await createSession({
      client: db.client,
      data: { userId: `${db.prefixes.userPrefix}eva`, expires: inMs(HOUR) },
    })
    const index = `user:${db.prefixes.userPrefix}eva:sessions`
    expect(await db.client.exists(`session:${sessionId}`)).to.equal(1)
    expect(await db.client.zRange(index, 0, -1)).to.deep.equal([sessionId])
    await deleteSession({ client: db.client, sessionId })
    expect(await db.client.exists([`session:${sessionId}`, index])).to.equal(0)
  })

  it('Guarantee 6, true expiry: TTL, score and index TTL are the expires given, to the millisecond', async () => {
    const expires = inMs(HOUR + 123)
    await createSession({ ...db.options, sessionId: 's1', data: { userId: 'eva', expires } })
    expect(await db.expiry('s1')).to.equal(Date.parse(expires))
    expect(await db.index('eva')).to.deep.equal({ s1: Date.parse(expires) })
    expect(await db.indexExpiry('eva')).to.equal(Date.parse(expires))
  })

  for (const expires of [
    '2999-12-31',
    '2999-12-31T23:59Z',
    '2999-12-31T23:59:59.5+02:00',
    '+012999-12-31',
    new Date(8.64e15).toISOString(),
  ]) {
    it(`accepts the ISO 8601 timestamp ${expires}`, async () => {
      await createSession({ ...db.options, sessionId: 's1', data: { userId: 'eva', expires } })
      expect(await db.expiry('s1')).to.equal(Date.parse(expires))
      expect((await readSession({ ...db.options, sessionId: 's1' }))?.expires).to.equal(expires)
    })
  }

  it('replaces a session of the same user, and moves its expiry', async () => {
    const expires = [inMs(2 * HOUR), inMs(HOUR)]
    for (const [n, at] of expires.entries()) {
      await createSession({ ...db.options, sessionId: 's1', data: { userId: 'eva', expires: at, n } })
    }
    expect(await db.record('s1')).to.deep.equal({ userId: 'eva', expires: expires[1], n: 1 })
    expect(await db.index('eva')).to.deep.equal({ s1: Date.parse(expires[1] as string) })
    expect(await db.indexExpiry('eva')).to.equal(Date.parse(expires[1] as string))
  })

  it('Guarantee 3, owned: refuses the id of another user’s session, and changes nothing', async () => {
    await createSession({ ...db.options, sessionId: 's1', data: { userId: 'eva', expires: inMs(HOUR) } })
    const before = await db.dump()
    const error = await rejection(
      createSession({ ...db.options, sessionId: 's1', data: { userId: 'bob', expires: inMs(HOUR) } }),
    )
    expect(error).to.be.instanceOf(SessionUserError)
    expect(error.message).to.include(handleOf('s1')).and.include('bob').and.not.include('eva')
    expect(await db.dump()).to.deep.equal(before)
  })

  it('refuses the id of another user’s session, even if the new session is already expired', async () => {
    await createSession({ ...db.options, sessionId: 's1', data: { userId: 'eva', expires: inMs(HOUR) } })
    const before = await db.dump()
    const late = createSession({ ...db.options, sessionId: 's1', data: { userId: 'bob', expires: past() } })
    expect(await rejection(late)).to.be.instanceOf(SessionUserError)
    expect(await db.dump()).to.deep.equal(before)
  })

  it('leaves nothing behind of a session that is already expired, and that is no error', async () => {
    const data = { userId: 'eva', expires: past() }
    expect(await createSession({ ...db.options, sessionId: 's1', data })).to.equal('s1')
    expect(await db.keys()).to.deep.equal([])
  })

  it('replaces a live session by one that is already expired: none', async () => {
    await createSession({ ...db.options, sessionId: 's1', data: { userId: 'eva', expires: inMs(HOUR) } })
    await createSession({ ...db.options, sessionId: 's1', data: { userId: 'eva', expires: past() } })
    expect(await db.keys()).to.deep.equal([])
  })

  it('does not change the object that it is given', async () => {
    const data = { userId: 'eva', expires: inMs(HOUR), cookie: { originalMaxAge: HOUR, expires: inMs(HOUR) } }
    const copy = structuredClone(data)
    await createSession({ ...db.options, data })
    expect(data).to.deep.equal(copy)
  })
})

describe('readSession', () => {
  const db = useDatabase()

  it('resolves to null if there is no session', async () => {
    expect(await readSession({ ...db.options, sessionId: 'none' })).to.equal(null)
  })

  it('reads nothing of a session under another prefix', async () => {
    await createSession({ ...db.options, sessionId: 's1', data: { userId: 'eva', expires: inMs(HOUR) } })
    expect(await readSession({ ...db.options, prefix: `${db.prefixes.prefix}x`, sessionId: 's1' })).to.equal(
      null,
    )
  })

  it('Guarantee 6, true expiry: reports when Redis deletes the session, or when it can no longer be loaded', async () => {
    const expires = inMs(HOUR)
    await createSession({ ...db.options, sessionId: 's1', data: { userId: 'eva', expires } })
    const at = Date.now() + MINUTE
    await db.client.pExpireAt(db.sessionKey('s1'), at)
    const read = await readSession({ ...db.options, sessionId: 's1' })
    expect(read?.expires).to.equal(new Date(at).toISOString())
    await db.client.pExpireAt(db.sessionKey('s1'), Date.now() + 2 * HOUR)
    expect((await readSession({ ...db.options, sessionId: 's1' }))?.expires).to.equal(expires)
  })

  it('Guarantee 6, true expiry: reads nothing after the end of its record, although Redis still has the key', async () => {
    const expires = inMs(20)
    await createSession({ ...db.options, sessionId: 's1', data: { userId: 'eva', expires } })
    expect(await db.client.pExpireAt(db.sessionKey('s1'), Date.now() + HOUR)).to.equal(1)
    while (Date.now() <= Date.parse(expires)) await nextMillisecond()
    expect(await readSession({ ...db.options, sessionId: 's1' })).to.equal(null)
    expect(await getUserSessions({ ...db.options, userId: 'eva' })).to.deep.equal([])
    const late = updateSession({ ...db.options, sessionId: 's1', data: { role: 'x' } })
    expect(await rejection(late)).to.be.instanceOf(SessionNotFoundError)
  })

  it('reads a record without TTL as it is', async () => {
    await db.client.set(db.sessionKey('s1'), '{"userId":"eva"}')
    expect(await readSession({ ...db.options, sessionId: 's1' })).to.deep.equal({ userId: 'eva' })
  })
})

describe('updateSession', () => {
  const db = useDatabase()
  const expires = inMs(HOUR)
  const data = { userId: 'eva', expires, role: 'user', cart: { tea: 1, rice: 2 } }
  beforeEach(() => createSession({ ...db.options, sessionId: 's1', data }))

  it('merges top-level properties and keeps TTL and index', async () => {
    const before = await db.index('eva')
    await updateSession({ ...db.options, sessionId: 's1', data: { cart: { milk: 1 }, seen: true } })
    expect(await db.record('s1')).to.deep.equal({ ...data, cart: { milk: 1 }, seen: true })
    expect(await db.expiry('s1')).to.equal(Date.parse(expires))
    expect(await db.index('eva')).to.deep.equal(before)
  })

  it('Guarantee 6, true expiry: a new expires moves TTL, score and index TTL, later and sooner', async () => {
    for (const at of [inMs(2 * HOUR), inMs(MINUTE)]) {
      await updateSession({ ...db.options, sessionId: 's1', data: { expires: at } })
      const read = await readSession({ ...db.options, sessionId: 's1' })
      expect(read).to.deep.equal({ ...data, expires: at })
      expect(await db.expiry('s1')).to.equal(Date.parse(at))
      expect(await db.index('eva')).to.deep.equal({ s1: Date.parse(at) })
      expect(await db.indexExpiry('eva')).to.equal(Date.parse(at))
    }
  })

  it('ends the session if the new expires is past', async () => {
    await updateSession({ ...db.options, sessionId: 's1', data: { expires: past() } })
    expect(await db.keys()).to.deep.equal([])
  })

  it('rejects with SessionNotFoundError if there is no session, and creates none', async () => {
    const before = await db.dump()
    const error = await rejection(updateSession({ ...db.options, sessionId: 'gone', data: { role: 'x' } }))
    expect(error).to.be.instanceOf(SessionNotFoundError).and.include({ code: 'SESSION_NOT_FOUND' })
    expect(error.message).to.include(handleOf('gone'))
    expect(await db.dump()).to.deep.equal(before)
  })

  it('Guarantee 3, owned: refuses to change the user, and changes nothing', async () => {
    const before = await db.dump()
    const change = updateSession({ ...db.options, sessionId: 's1', data: { userId: 'bob', role: 'admin' } })
    expect(await rejection(change)).to.be.instanceOf(SessionUserError)
    expect(await db.dump()).to.deep.equal(before)
  })

  it('accepts the user that the session already has', async () => {
    await updateSession({ ...db.options, sessionId: 's1', data: { userId: 'eva', role: 'admin' } })
    expect(await db.record('s1')).to.include({ userId: 'eva', role: 'admin' })
  })

  it('leaves properties that are given as undefined as JSON does: away', async () => {
    await updateSession({ ...db.options, sessionId: 's1', data: { role: undefined, expires: undefined } })
    expect(await db.record('s1')).to.deep.equal({ userId: 'eva', expires, cart: data.cart })
  })

  it('Guarantee 5, nothing lost: updates of one session at the same time all survive', async () => {
    const names = Array.from({ length: 20 }, (_, n) => `n${n}`)
    await Promise.all(
      names.map((name) => updateSession({ ...db.options, sessionId: 's1', data: { [name]: true } })),
    )
    expect(Object.keys(await db.record('s1'))).to.include.members([...names, ...Object.keys(data)])
  })
})

describe('deleteSession', () => {
  const db = useDatabase()

  it('Guarantee 4, bounded: removes the index entry with the session, and the index key with the last session', async () => {
    for (const sessionId of ['s1', 's2']) {
      await createSession({ ...db.options, sessionId, data: { userId: 'eva', expires: inMs(HOUR) } })
    }
    await deleteSession({ ...db.options, sessionId: 's1' })
    expect(await readSession({ ...db.options, sessionId: 's1' })).to.equal(null)
    expect(Object.keys(await db.index('eva'))).to.deep.equal(['s2'])
    await deleteSession({ ...db.options, sessionId: 's2' })
    expect(await db.keys()).to.deep.equal([])
  })

  it('does nothing if there is no session', async () => {
    expect(await deleteSession({ ...db.options, sessionId: 'none' })).to.equal(undefined)
    expect(await db.keys()).to.deep.equal([])
  })

  it('Guarantee 4, bounded: the index key lives as long as the longest session that is left', async () => {
    const expires = [inMs(HOUR), inMs(2 * HOUR)] as const
    await createSession({ ...db.options, sessionId: 's1', data: { userId: 'eva', expires: expires[0] } })
    await createSession({ ...db.options, sessionId: 's2', data: { userId: 'eva', expires: expires[1] } })
    expect(await db.indexExpiry('eva')).to.equal(Date.parse(expires[1]))
    await deleteSession({ ...db.options, sessionId: 's2' })
    expect(await db.indexExpiry('eva')).to.equal(Date.parse(expires[0]))
  })

  it('Guarantee 2, final: an update of a deleted session does not bring it back', async () => {
    await createSession({ ...db.options, sessionId: 's1', data: { userId: 'eva', expires: inMs(HOUR) } })
    await deleteSession({ ...db.options, sessionId: 's1' })
    await rejection(updateSession({ ...db.options, sessionId: 's1', data: { role: 'user' } }))
    await updateUserSessions({ ...db.options, userId: 'eva', data: { role: 'user' } })
    expect(await db.keys()).to.deep.equal([])
  })
})

describe('getUserSessions', () => {
  const db = useDatabase()

  it('lists the sessions of this user only, soonest to expire first', async () => {
    const expires = { s1: inMs(3 * HOUR), s2: inMs(HOUR), s3: inMs(2 * HOUR) }
    for (const [sessionId, at] of Object.entries(expires)) {
      await createSession({ ...db.options, sessionId, data: { userId: 'eva', expires: at, n: sessionId } })
    }
    await createSession({ ...db.options, sessionId: 's4', data: { userId: 'bob', expires: inMs(HOUR) } })
    expect(await getUserSessions({ ...db.options, userId: 'eva' })).to.deep.equal(
      (['s2', 's3', 's1'] as const).map((sessionId) => ({
        sessionId,
        data: { userId: 'eva', expires: expires[sessionId], n: sessionId },
      })),
    )
  })

  it('resolves to an empty array for a user without sessions', async () => {
    expect(await getUserSessions({ ...db.options, userId: 'nobody' })).to.deep.equal([])
    expect(await db.keys()).to.deep.equal([])
  })

  it('Guarantee 4, bounded: leaves out and removes entries without a session', async () => {
    const expires = [inMs(HOUR), inMs(2 * HOUR)] as const
    await createSession({ ...db.options, sessionId: 's1', data: { userId: 'eva', expires: expires[0] } })
    await createSession({ ...db.options, sessionId: 's2', data: { userId: 'eva', expires: expires[1] } })
    await db.client.del(db.sessionKey('s2'))
    const listed = await getUserSessions({ ...db.options, userId: 'eva' })
    expect(listed.map(({ sessionId }) => sessionId)).to.deep.equal(['s1'])
    expect(await db.index('eva')).to.deep.equal({ s1: Date.parse(expires[0]) })
    expect(await db.indexExpiry('eva')).to.equal(Date.parse(expires[0]))
    await db.client.del(db.sessionKey('s1'))
    expect(await getUserSessions({ ...db.options, userId: 'eva' })).to.deep.equal([])
    expect(await db.keys()).to.deep.equal([])
  })

  it('Guarantee 3, owned: leaves out, and removes, an entry of another user’s session', async () => {
    await createSession({ ...db.options, sessionId: 's1', data: { userId: 'bob', expires: inMs(HOUR) } })
    await db.client.zAdd(db.indexKey('eva'), { score: Date.now() + HOUR, value: 's1' })
    expect(await getUserSessions({ ...db.options, userId: 'eva' })).to.deep.equal([])
    expect(await db.index('eva')).to.deep.equal({})
    expect(Object.keys(await db.index('bob'))).to.deep.equal(['s1'])
  })

  for (const [what, ahead] of Object.entries({
    'too late': 5 * HOUR,
    'too early': MINUTE,
    past: -MINUTE,
    'no time at all': Number.NEGATIVE_INFINITY,
  })) {
    it(`Guarantee 1, indexed: corrects a score that is ${what}`, async () => {
      const expires = inMs(HOUR)
      await createSession({ ...db.options, sessionId: 's1', data: { userId: 'eva', expires } })
      await db.client.zAdd(db.indexKey('eva'), { value: 's1', score: Math.max(Date.now() + ahead, 0) })
      const [session] = await getUserSessions({ ...db.options, userId: 'eva' })
      expect(session?.data.expires).to.equal(expires)
      expect(await db.index('eva')).to.deep.equal({ s1: Date.parse(expires) })
      expect(await db.indexExpiry('eva')).to.equal(Date.parse(expires))
    })
  }

  it('Guarantee 6, true expiry: reports when Redis deletes a session that the index lists for longer', async () => {
    await createSession({ ...db.options, sessionId: 's1', data: { userId: 'eva', expires: inMs(HOUR) } })
    const before = await db.index('eva')
    const at = Date.now() + MINUTE
    await db.client.pExpireAt(db.sessionKey('s1'), at)
    const [session] = await getUserSessions({ ...db.options, userId: 'eva' })
    expect(session?.data.expires).to.equal(new Date(at).toISOString())
    expect(await db.index('eva')).to.deep.equal(before)
  })

  it('lists several hundred sessions, each once, soonest to expire first', async () => {
    const ids = Array.from({ length: 450 }, (_, n) => `s${n}`)
    const dataOf = (n: number) => ({ userId: 'eva', expires: inMs(HOUR + n * MINUTE) })
    await Promise.all(ids.map((sessionId, n) => createSession({ ...db.options, sessionId, data: dataOf(n) })))
    const listed = await getUserSessions({ ...db.options, userId: 'eva' })
    expect(listed.map(({ sessionId }) => sessionId)).to.deep.equal(ids)
  })
})

describe('updateUserSessions', () => {
  const db = useDatabase()

  it('merges into every session of the user, and into no other', async () => {
    for (const [sessionId, userId] of [
      ['s1', 'eva'],
      ['s2', 'eva'],
      ['s3', 'bob'],
    ] as const) {
      await createSession({
        ...db.options,
        sessionId,
        data: { userId, expires: inMs(HOUR), role: 'user', sessionId },
      })
    }
    const bobs = await db.raw('s3')
    expect(await updateUserSessions({ ...db.options, userId: 'eva', data: { role: 'admin' } })).to.equal(
      undefined,
    )
    for (const sessionId of ['s1', 's2']) {
      expect(await db.record(sessionId)).to.include({ userId: 'eva', role: 'admin', sessionId })
    }
    expect(await db.raw('s3')).to.equal(bobs)
  })

  it('keeps each TTL, and a new expires moves TTLs, scores and index TTL', async () => {
    const old = { s1: inMs(HOUR), s2: inMs(3 * HOUR) }
    for (const [sessionId, expires] of Object.entries(old)) {
      await createSession({ ...db.options, sessionId, data: { userId: 'eva', expires } })
    }
    await updateUserSessions({ ...db.options, userId: 'eva', data: { seen: true } })
    expect(await db.expiry('s1')).to.equal(Date.parse(old.s1))
    expect(await db.expiry('s2')).to.equal(Date.parse(old.s2))
    const expires = inMs(2 * HOUR)
    await updateUserSessions({ ...db.options, userId: 'eva', data: { expires } })
    const at = Date.parse(expires)
    expect([await db.expiry('s1'), await db.expiry('s2'), await db.indexExpiry('eva')]).to.deep.equal([
      at,
      at,
      at,
    ])
    expect(await db.index('eva')).to.deep.equal({ s1: at, s2: at })
  })

  it('does nothing for a user without sessions', async () => {
    expect(await updateUserSessions({ ...db.options, userId: 'eva', data: { a: 1 } })).to.equal(undefined)
    expect(await db.keys()).to.deep.equal([])
  })

  it('Guarantee 3, owned: refuses to change the user, and changes nothing', async () => {
    await createSession({ ...db.options, sessionId: 's1', data: { userId: 'eva', expires: inMs(HOUR) } })
    const before = await db.dump()
    const change = updateUserSessions({ ...db.options, userId: 'eva', data: { userId: 'bob', role: 'x' } })
    expect(await rejection(change)).to.be.instanceOf(SessionUserError)
    expect(await db.dump()).to.deep.equal(before)
  })

  it('refuses another user’s id even if there is no session, and accepts the user’s own id', async () => {
    const update = (userId: string) =>
      updateUserSessions({ ...db.options, userId: 'eva', data: { userId, role: 'x' } })
    const error = await rejection(update('bob'))
    expect(error).to.be.instanceOf(SessionUserError).and.have.property('message').that.includes('bob')
    await createSession({ ...db.options, sessionId: 's1', data: { userId: 'eva', expires: inMs(HOUR) } })
    await update('eva')
    expect(await readSession({ ...db.options, sessionId: 's1' })).to.include({ userId: 'eva', role: 'x' })
  })

  it('Guarantee 3, owned: leaves another user’s session alone that a stale entry names', async () => {
    await createSession({ ...db.options, sessionId: 's1', data: { userId: 'bob', expires: inMs(HOUR) } })
    const bobs = await db.raw('s1')
    await db.client.zAdd(db.indexKey('eva'), { score: Date.now() + HOUR, value: 's1' })
    await updateUserSessions({ ...db.options, userId: 'eva', data: { role: 'x' } })
    expect(await db.raw('s1')).to.equal(bobs)
  })
})

describe('deleteUserSessions', () => {
  const db = useDatabase()

  it('deletes every session of the user with the index, and no other', async () => {
    for (const [sessionId, userId] of [
      ['s1', 'eva'],
      ['s2', 'eva'],
      ['s3', 'bob'],
    ] as const) {
      await createSession({ ...db.options, sessionId, data: { userId, expires: inMs(HOUR) } })
    }
    expect(await deleteUserSessions({ ...db.options, userId: 'eva' })).to.equal(undefined)
    expect(await db.keys()).to.have.members([db.sessionKey('s3'), db.indexKey('bob')])
  })

  it('does nothing for a user without sessions', async () => {
    expect(await deleteUserSessions({ ...db.options, userId: 'eva' })).to.equal(undefined)
  })

  it('Guarantee 3, owned: leaves another user’s session alone that a stale entry names', async () => {
    await createSession({ ...db.options, sessionId: 's1', data: { userId: 'bob', expires: inMs(HOUR) } })
    const before = await db.dump()
    await db.client.zAdd(db.indexKey('eva'), { score: Date.now() + HOUR, value: 's1' })
    await deleteUserSessions({ ...db.options, userId: 'eva' })
    expect(await db.dump()).to.deep.equal(before)
  })

  it('deletes several hundred sessions', async () => {
    const data = { userId: 'eva', expires: inMs(HOUR) }
    await Promise.all(Array.from({ length: 450 }, () => createSession({ ...db.options, data })))
    await deleteUserSessions({ ...db.options, userId: 'eva' })
    expect(await db.keys()).to.deep.equal([])
  })
})
