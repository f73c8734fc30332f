/** Redis may hold values that this package did not write. */
import { createHash } from 'node:crypto'
import { expect } from 'chai'
import request from 'supertest'
import {
  CorruptSessionError,
  createSession,
  deleteSession,
  deleteUserSessions,
  getUserSessions,
  readSession,
  updateSession,
  updateUserSessions,
} from '../../src/index.ts'
import { appWith, cookieFor } from '../support/app.ts'
import { type Database, HOUR, inMs, rejection, useDatabase } from '../support/database.ts'
import { fields, newSession } from '../support/sessions.ts'

const handleOf = (sessionId: string) => createHash('sha256').update(sessionId).digest('base64url')

type Put = (db: Database, key: string) => Promise<unknown>

const text =
  (value: string): Put =>
  (db, key) =>
    db.client.set(key, value, { expiration: { type: 'EX', value: 3600 } })

const kinds: Record<string, Put> = {
  'no JSON': text('{"userId":"eva"'),
  'an empty string': text(''),
  null: text('null'),
  'an array': text('[{"userId":"eva"}]'),
  'a string': text('"eva"'),
  'a number': text('42'),
  'a cookie with a senseless date': text('{"userId":"eva","cookie":{"expires":"soon","originalMaxAge":1}}'),
  'a cookie with a senseless maxAge': text('{"userId":"eva","cookie":{"originalMaxAge":"soon"}}'),
  'a cookie with a maxAge that no date can tell': text(
    '{"userId":"eva","cookie":{"expires":"2099-01-01T00:00:00Z","originalMaxAge":1e300}}',
  ),
  'bytes that are no UTF-8': (db, key) =>
    db.client.set(key, Buffer.from([0xff, 0xfe, 0x7b, 0xc3]), { expiration: { type: 'EX', value: 3600 } }),
  'a list': (db, key) => db.client.rPush(key, ['eva']),
  'a hash': (db, key) => db.client.hSet(key, 'userId', 'eva'),
  'a sorted set': (db, key) => db.client.zAdd(key, { score: 1, value: 'eva' }),
}

describe('Guarantee 7, alone: a record whose odd values are not for its cookie to tell', () => {
  const db = useDatabase()
  const noPrimitive = { toString: 5 }
  const until = (value: number) => ({ cookie: { originalMaxAge: HOUR, index: { until: value } } })

  for (const [name, odd] of Object.entries({
    'an until that Redis does not take': until(1e300),
    'an until after the last Date': until(1e17),
    'an until between two ms': until(Date.now() + HOUR + 0.25),
    'an expires that is no primitive': { expires: noPrimitive },
    'a creation time that is no primitive': { sessionCreated: noPrimitive },
  })) {
    it(`${name}: stops nothing, and goes with its user`, async () => {
      const store = db.store()
      for (const id of ['a', 'odd']) await store.set(id, newSession({ userId: 'eva' }))
      const record = { ...(await db.record('odd')), ...odd }
      await db.client.set(db.sessionKey('odd'), JSON.stringify(record), { expiration: 'KEEPTTL' })
      expect((await store.userSessions('eva')).length).to.equal(2)
      expect((await getUserSessions({ ...db.options, userId: 'eva' })).length).to.equal(2)
      expect((await store.all()).length).to.equal(2)
      expect(await store.reindex()).to.deep.equal({ scanned: 2, indexed: 2 })
      for (const { score } of await db.client.zRangeWithScores(db.indexKey('eva'), 0, -1)) {
        expect(Number.isInteger(score)).to.equal(true)
      }
      expect(await store.updateUser('eva', { role: 'user' } as never)).to.equal(2)
      expect(await readSession({ ...db.options, sessionId: 'odd' })).to.include({ role: 'user' })
      expect(await store.destroyUser('eva')).to.equal(2)
      expect(await db.keys()).to.deep.equal([])
    })
  }
})

describe('Guarantee 7, alone: an index entry with a score that Redis takes for no time', () => {
  const db = useDatabase()

  for (const score of [Number.POSITIVE_INFINITY, 1e300]) {
    it(`${score}: the user signs in, is touched, listed and signed out`, async () => {
      const store = db.store()
      await store.set('s1', newSession({ userId: 'eva' }))
      const foreign = () => db.client.zAdd(db.indexKey('eva'), { score, value: 'gone' })
      await foreign()
      await store.set('s2', newSession({ userId: 'eva' }))
      await store.set('s2', Object.assign((await store.get('s2')) as object, { userId: null }) as never)
      expect((await store.userSessions('eva')).map(({ sessionId }) => sessionId)).to.deep.equal(['s1'])
      await foreign()
      expect(await store.destroyUser('eva')).to.equal(1)
      expect(await db.keys()).to.deep.equal([db.sessionKey('s2')])
    })
  }
})

describe('Guarantee 7, alone: a corrupt or foreign record', () => {
  const db = useDatabase()

  for (const [kind, put] of Object.entries(kinds)) {
    describe(kind, () => {
      /** eva has two good sessions and a bad one between, bob a good one. */
      async function filled() {
        const store = db.store()
        for (const [id, userId] of [
          ['a', 'eva'],
          ['bad', 'eva'],
          ['z', 'eva'],
          ['bobs', 'bob'],
        ] as const) {
          await store.set(id, newSession({ userId, id }))
        }
        await db.client.del(db.sessionKey('bad'))
        await put(db, db.sessionKey('bad'))
        return store
      }

      const isCorrupt = async (work: Promise<unknown>) => {
        const error = await rejection(work)
        expect(error).to.be.instanceOf(CorruptSessionError)
        expect(error).to.include({ code: 'SESSION_CORRUPT', key: db.sessionKey('bad') })
        expect(error.message).to.include(db.sessionKey('bad'))
      }

      it('fails its own read, with an error that names the key', async () => {
        const store = await filled()
        await isCorrupt(store.get('bad'))
        await isCorrupt(readSession({ ...db.options, sessionId: 'bad' }))
        expect(fields(await store.get('a')).userId).to.equal('eva')
      })

      it('fails its own update and touch, and stays as it is', async () => {
        const store = await filled()
        const before = await db.dump()
        await isCorrupt(updateSession({ ...db.options, sessionId: 'bad', data: { role: 'user' } }))
        await isCorrupt(store.touch('bad', newSession()))
        await isCorrupt(
          createSession({ ...db.options, sessionId: 'bad', data: { userId: 'eva', expires: inMs(HOUR) } }),
        )
        expect(await db.dump()).to.deep.equal(before)
      })

      it('fails its own request, and no other', async () => {
        const app = appWith(await filled(), { '/': (req, res) => res.json(req.session) })
        const get = (id: string) => request(app).get('/').set('Cookie', cookieFor(id))
        const response = await get('bad')
        expect(response.status).to.equal(500)
        expect(response.body.error).to.include(db.sessionKey('bad'))
        expect((await get('a')).body).to.include({ userId: 'eva' })
      })

      it('does not stop listings, which leave it out', async () => {
        const store = await filled()
        const ids = (sessions: { sessionId: string }[]) => sessions.map(({ sessionId }) => sessionId).sort()
        expect(ids(await store.userSessions('eva'))).to.deep.equal(['a', 'z'])
        expect(ids(await getUserSessions({ ...db.options, userId: 'eva' }))).to.deep.equal(['a', 'z'])
        expect((await store.all()).map(({ id }) => id).sort()).to.deep.equal(['a', 'bobs', 'z'])
        const iterated: string[] = []
        for await (const { id } of store.sessions()) iterated.push(id)
        expect(iterated.sort()).to.deep.equal(['a', 'bobs', 'z'])
        expect((await store.ids()).sort()).to.deep.equal(['a', 'bad', 'bobs', 'z'])
        expect(await store.length()).to.equal(4)
      })

      it('does not stop updates of the user, and reindex', async () => {
        const store = await filled()
        expect(await store.updateUser('eva', { role: 'admin' } as never)).to.equal(2)
        await updateUserSessions({ ...db.options, userId: 'eva', data: { more: 1 } })
        for (const id of ['a', 'z']) expect(await db.record(id)).to.include({ role: 'admin', more: 1 })
        expect(await store.reindex()).to.deep.equal({ scanned: 4, indexed: 3 })
      })

      it('does not stop revocation, which deletes it', async () => {
        for (const revoke of [
          () => db.store().destroyUser('eva'),
          () => deleteUserSessions({ ...db.options, userId: 'eva' }),
        ]) {
          await filled()
          await revoke()
          expect(await db.keys()).to.have.members([db.sessionKey('bobs'), db.indexKey('bob')])
        }
        await filled()
        expect(await db.store().destroyUser('eva')).to.equal(3)
      })

      it('is deleted by its handle, by its id, by destroy, deleteSession and clear', async () => {
        const handle = handleOf('bad')
        for (const destroy of [
          () => db.store().destroyUserSession('eva', handle),
          () => db.store().destroyUserSession('eva', 'bad'),
          () => db.store().destroy('bad'),
          () => deleteSession({ ...db.options, sessionId: 'bad' }),
        ]) {
          await filled()
          await destroy()
          expect((await db.store().ids()).sort()).to.deep.equal(['a', 'bobs', 'z'])
          // The id alone does not tell the owner of a corrupt record. The owner's next listing removes the entry.
          expect(await db.store().userSessions('eva')).to.have.lengthOf(2)
          expect(await db.index('eva')).to.have.all.keys('a', 'z')
        }
        await (await filled()).clear()
        await db.store().userSessions('eva')
        expect(await db.keys()).to.deep.equal([])
      })

      it('is deleted with its entry at once, if the user is known', async () => {
        for (const handle of [handleOf('bad'), 'bad']) {
          const store = await filled()
          expect(await store.destroyUserSession('eva', handle)).to.equal(true)
          expect(await db.index('eva')).to.have.all.keys('a', 'z')
        }
      })

      it('is not another user’s to delete', async () => {
        const store = await filled()
        const before = await db.dump()
        expect(await store.destroyUserSession('bob', 'bad')).to.equal(false)
        expect(await store.destroyUserSession('bob', handleOf('bad'))).to.equal(false)
        expect(await db.dump()).to.deep.equal(before)
      })
    })
  }

  describe('without a cookie', () => {
    it('is no corrupt one: express-session gets a cookie with it', async () => {
      const store = db.store()
      await text('{"userId":"eva","n":1}')(db, db.sessionKey('s1'))
      const app = appWith(store, { '/': (req, res) => res.json(req.session) }, { cookie: { maxAge: HOUR } })
      const response = await request(app).get('/').set('Cookie', cookieFor('s1'))
      expect(response.body).to.include({ userId: 'eva', n: 1 })
      expect(response.body.cookie).to.include({ originalMaxAge: null, path: '/' })
    })

    for (const cookie of ['null', '"text"', '5', 'true']) {
      it(`a record is not corrupt if its cookie is ${cookie}`, async () => {
        const store = db.store()
        await text(`{"userId":"eva","cookie":${cookie}}`)(db, db.sessionKey('s1'))
        const app = appWith(store, { '/': (req, res) => res.json(req.session) }, { cookie: { maxAge: HOUR } })
        const response = await request(app).get('/').set('Cookie', cookieFor('s1'))
        expect(response.body).to.include({ userId: 'eva' })
        expect((await store.userSessions('eva')).map(({ sessionId }) => sessionId)).to.deep.equal(['s1'])
      })
    }
  })

  it('a record with an invalid user id is anonymous, and can be loaded', async () => {
    const store = db.store()
    await text('{"userId":{"id":1},"cookie":{"path":"/"}}')(db, db.sessionKey('s1'))
    expect(fields(await store.get('s1')).userId).to.deep.equal({ id: 1 })
    expect(await store.all()).to.have.lengthOf(1)
    await store.destroy('s1')
    expect(await db.keys()).to.deep.equal([])
  })

  it('a value of another type is not shown to the serializer', async () => {
    const shown: unknown[] = []
    const parse = (record: string) => {
      shown.push(record)
      return JSON.parse(record)
    }
    const store = db.store({ serializer: { parse, stringify: JSON.stringify } })
    await store.set('s1', newSession({ userId: 'eva' }))
    await db.client.rPush(db.sessionKey('s2'), 'not ours')
    await db.client.zAdd(db.indexKey('eva'), { value: 's2', score: Date.now() + HOUR })
    shown.length = 0
    expect(await store.userSessions('eva')).to.have.lengthOf(1)
    expect(await store.updateUser('eva', { role: 'user' } as never)).to.equal(1)
    expect(await store.destroyUser('eva')).to.equal(2)
    expect(new Set(shown.map((record) => typeof record))).to.deep.equal(new Set(['string']))
  })

  it('a new session of the store replaces a corrupt one, but no value of another type', async () => {
    const store = db.store()
    await text('null')(db, db.sessionKey('s1'))
    await store.set('s1', newSession({ userId: 'eva' }))
    expect(await store.userSessions('eva')).to.have.lengthOf(1)
    await db.client.rPush(db.sessionKey('s2'), 'not ours')
    expect(await rejection(store.set('s2', newSession()))).to.be.instanceOf(CorruptSessionError)
    expect(await db.client.lRange(db.sessionKey('s2'), 0, -1)).to.deep.equal(['not ours'])
  })

  it('a record that became corrupt while a request ran fails its save', async () => {
    const store = db.store()
    await store.set('s1', newSession({ userId: 'eva' }))
    const loaded = fields(await store.get('s1'))
    await text('{')(db, db.sessionKey('s1'))
    const error = await rejection(store.set('s1', Object.assign(loaded, { a: 1 })))
    expect(error)
      .to.be.instanceOf(CorruptSessionError)
      .and.include({ key: db.sessionKey('s1') })
    expect(await db.raw('s1')).to.equal('{')
  })

  describe('a user’s index of another type', () => {
    const isCorrupt = async (work: Promise<unknown>) => {
      const error = await rejection(work)
      expect(error)
        .to.be.instanceOf(CorruptSessionError)
        .and.include({ key: db.indexKey('eva') })
    }

    it('fails the calls that need it, with an error that names the key, and nothing is written', async () => {
      const store = db.store()
      await db.client.set(db.indexKey('eva'), 'not ours')
      const before = await db.dump()
      const data = { userId: 'eva', expires: inMs(HOUR) }
      await isCorrupt(store.set('s1', newSession({ userId: 'eva' })))
      await isCorrupt(createSession({ ...db.options, sessionId: 's1', data }))
      await isCorrupt(store.userSessions('eva'))
      await isCorrupt(getUserSessions({ ...db.options, userId: 'eva' }))
      await isCorrupt(store.destroyUser('eva'))
      expect(await db.dump()).to.deep.equal(before)
    })

    it('does not keep other users, or clear, from going on', async () => {
      const store = db.store({ userId: (data) => fields(data).account as string | undefined })
      await store.set('s1', newSession({ account: 'bob' }))
      await store.set('s2', newSession({ account: 'eva' }))
      await db.client.del(db.indexKey('eva'))
      await db.client.set(db.indexKey('eva'), 'not ours')
      const expires = inMs(5 * HOUR)
      await updateSession({ ...db.options, sessionId: 's1', data: { expires } })
      expect(await db.index('bob')).to.deep.equal({ s1: Date.parse(expires) })
      await store.destroy('s2')
      await store.clear()
      expect(await db.keys()).to.deep.equal([db.indexKey('eva')])
    })
  })
})
