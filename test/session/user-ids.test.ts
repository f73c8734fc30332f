/** User ids that are objects, as databases return them: MongoDB's `ObjectId`, a UUID class, a bigint wrapper. */
import { expect } from 'chai'
import {
  createSession,
  deleteUserSessions,
  getUserSessions,
  readSession,
  SessionUserError,
  updateUserSessions,
} from '../../src/index.ts'
import { appWith, browser, sessionIdIn } from '../support/app.ts'
import { HOUR, inMs, rejection, useDatabase } from '../support/database.ts'
import { expectListed } from '../support/listed.ts'
import { fields, newSession } from '../support/sessions.ts'

/** As `bson` has it: bytes, `toString()` and `toJSON()`. */
class ObjectId {
  readonly bytes: Buffer
  constructor(readonly hex: string) {
    this.bytes = Buffer.from(hex, 'hex')
  }
  toString() {
    return this.bytes.toString('hex')
  }
  toJSON() {
    return this.toString()
  }
}

/** Serializes to a number. */
class Serial {
  constructor(readonly n: number) {}
  toJSON() {
    return this.n
  }
}

/** An id with its own `toString` and no `toJSON`. */
class Uuid {
  readonly #text: string
  constructor(text: string) {
    this.#text = text
  }
  toString() {
    return this.#text
  }
}

const HEX = '65f0c0ffee65f0c0ffee65f0'
const UUID = '0191f7a4-5a0e-7c7e-8a57-111111111111'

const ids: Record<string, [id: object, text: string]> = {
  'an ObjectId': [new ObjectId(HEX), HEX],
  'an object that serializes to a number': [new Serial(42), '42'],
  'an object with a toString of its own': [new Uuid(UUID), UUID],
  'a URL': [new URL('urn:user:7'), 'urn:user:7'],
}

const noIds: Record<string, unknown> = {
  'a plain object': { id: 1 },
  'an empty object': {},
  'an object without prototype': Object.create(null),
  'an array of one string': ['eva'],
  'a Buffer': Buffer.from('eva'),
  'a toJSON that gives an object': { toJSON: () => ({ $oid: HEX }) },
  'a toJSON that gives nothing': { toJSON: () => '' },
  'a toJSON that gives NaN': { toJSON: () => Number.NaN },
  'a toJSON that throws': {
    toJSON() {
      throw new Error('secret')
    },
  },
  'a toString that gives a lone surrogate': new Uuid('\ud800'),
  'a getter that throws': Object.defineProperty({}, 'toJSON', {
    get() {
      throw new Error('secret')
    },
  }),
  'a map': new Map([['id', 'eva']]),
  'a promise': Promise.resolve('eva'),
  'a symbol': Symbol('eva'),
  true: true,
}

describe('A user id that is an object', () => {
  const db = useDatabase()

  for (const [name, [id, text]] of Object.entries(ids)) {
    for (const [place, data, options] of [
      ['userId', { userId: id }, {}],
      ['Passport’s user', { passport: { user: id } }, {}],
      ['what the option userId gives', { account: { _id: id } }, { userId: byAccount }],
    ] as const) {
      it(`${name} in ${place}: listed by its string, and signed out by either`, async () => {
        for (const asArgument of [id, text]) {
          const store = db.store(options as object)
          await store.set('s1', newSession({ ...data }))
          await expectListed(db, 's1', text)
          const user = asArgument as never
          expect((await store.userSessions(user)).map(({ sessionId }) => sessionId)).to.deep.equal(['s1'])
          expect(await store.updateUser(user, { role: 'user' } as never)).to.equal(1)
          const loaded = fields(await store.get('s1'))
          expect(loaded).to.include({ role: 'user' })
          // JSON cannot represent an object that has only a toString. The app then reads no user id, but the record
          // names the owner.
          await store.set('s1', Object.assign(loaded, { cart: ['tea'] }))
          await store.set('s1', Object.assign(loaded, { theme: 'dark' }))
          expect(await store.get('s1')).to.include({ role: 'user', theme: 'dark' })
          await store.touch('s1', loaded)
          await expectListed(db, 's1', text)
          expect((await readSession({ ...db.options, sessionId: 's1' }))?.cookie).to.not.have.property(
            'index',
          )
          expect(await store.destroyUser(user)).to.equal(1)
          await store.set('s1', loaded)
          expect(await db.keys()).to.deep.equal([])
        }
      })
    }

    it(`${name}: the functions accept it as the user of their sessions`, async () => {
      const user = id as never
      await createSession({
        ...db.options,
        sessionId: 's1',
        data: { userId: text, expires: inMs(HOUR) },
      })
      const [listed] = await getUserSessions({ ...db.options, userId: user })
      expect(listed?.data.userId).to.equal(text)
      await updateUserSessions({ ...db.options, userId: user, data: { role: 'user' } })
      expect(await db.record('s1')).to.include({ role: 'user' })
      await deleteUserSessions({ ...db.options, userId: user })
      expect(await db.keys()).to.deep.equal([])
    })
  }

  for (const [name, id] of Object.entries(noIds)) {
    it(`${name} is none: a TypeError that does not show it, and nothing is written`, async () => {
      const store = db.store({ userId: (data) => fields(data).user as string })
      for (const work of [
        () => db.store().set('s1', newSession({ userId: id })),
        () => store.set('s1', newSession({ user: id })),
        () => store.destroyUser(id as never),
        () => getUserSessions({ ...db.options, userId: id as never }),
      ]) {
        const error = await rejection(work())
        expect(error).to.be.instanceOf(TypeError)
        expect(error.message)
          .to.match(/userId must be/)
          .and.not.match(/eva|secret|oid/)
      }
      expect(await db.keys()).to.deep.equal([])
    })
  }

  it('a Passport user that is an object without its own id makes the session anonymous', async () => {
    await db.store().set('s1', newSession({ passport: { user: { name: 'Eva' } } }))
    expect(await db.keys()).to.deep.equal([db.sessionKey('s1')])
  })

  it('signs in over HTTP, and is the same user in the next request, when it is a string', async () => {
    const store = db.store()
    const id = new ObjectId(HEX)
    const app = appWith(
      store,
      {
        '/in': (req, res) => {
          Object.assign(req.session, { userId: id })
          res.send('in')
        },
        '/again': (req, res) => {
          Object.assign(req.session, { userId: id, cart: ['tea'] })
          res.send('in')
        },
        '/': (req, res) => res.json(fields(req.session).userId ?? null),
      },
      { cookie: { maxAge: HOUR } },
    )
    const device = browser(app)
    const sessionId = sessionIdIn(await device.get('/in')) as string
    expect((await device.get('/')).body).to.equal(HEX)
    await device.get('/again')
    await expectListed(db, sessionId, HEX)
    expect(await store.destroyUser(id)).to.equal(1)
    expect((await device.get('/')).body).to.equal(null)
  })

  it('an id with a toString alone: overlapping saves merge, and no other object passes for it', async () => {
    class Account {
      constructor(readonly name: string) {}
      toString() {
        return this.name
      }
    }
    const store = db.store()
    await store.set('s1', newSession({ userId: new Account('eva') }))
    const [a, b, c] = [await store.get('s1'), await store.get('s1'), await store.get('s1')]
    await store.set('s1', Object.assign(fields(a), { a: 1 }) as never)
    await store.set('s1', Object.assign(fields(b), { b: 1 }) as never)
    const other = Object.assign(fields(c), { userId: { name: 'bob' } })
    expect(await rejection(store.set('s1', other as never))).to.be.instanceOf(TypeError)
    expect(await store.get('s1')).to.include({ a: 1, b: 1 })
    await expectListed(db, 's1', 'eva')
    expect(await rejection(store.updateUser('eva', { userId: null } as never))).to.be.instanceOf(
      SessionUserError,
    )
    const [leaving, late] = [await store.get('s1'), await store.get('s1')]
    await store.set('s1', Object.assign(fields(late), { c: 1 }) as never)
    await store.set('s1', Object.assign(fields(leaving), { userId: null }) as never)
    expect(await store.userSessions('eva')).to.deep.equal([])
    expect(await store.get('s1')).to.include({ c: 1 })
  })

  it('an id with a toString alone: a sign-in that overlaps with another change is one', async () => {
    const [store, other] = [db.store(), db.store()]
    await store.set('s1', newSession())
    const [mine, theirs] = [fields(await store.get('s1')), fields(await other.get('s1'))]
    await other.set('s1', Object.assign(theirs, { cart: ['tea'] }))
    await store.set('s1', Object.assign(mine, { userId: new Uuid(UUID) }))
    expect(await db.record('s1')).to.deep.include({ cart: ['tea'] })
    const listed = await store.userSessions(UUID)
    expect(listed.map(({ sessionId }) => sessionId)).to.deep.equal(['s1'])
    expect(await store.destroyUser(UUID)).to.equal(1)
  })

  it('an object that another store wrote as the user: no save takes it for an id, and each says so', async () => {
    const store = db.store()
    await db.client.set(db.sessionKey('s1'), JSON.stringify(newSession({ userId: { name: 'eva' } })))
    const loaded = fields(await store.get('s1'))
    const error = await rejection(store.set('s1', Object.assign(loaded, { cart: ['tea'] })))
    expect(error).to.be.instanceOf(TypeError)
    await store.set('s1', Object.assign(loaded, { userId: 'eva' }))
    await expectListed(db, 's1', 'eva')
    expect(await db.record('s1')).to.deep.include({ cart: ['tea'] })
  })

  it('one user’s id never reads as another’s', async () => {
    const store = db.store()
    await store.set('s1', newSession({ userId: new ObjectId(HEX) }))
    const other = new ObjectId(HEX.replace('65', '66'))
    expect(await store.destroyUser(other)).to.equal(0)
    const claim = store.updateUser(HEX, { userId: other } as never)
    expect(await rejection(claim)).to.be.instanceOf(SessionUserError)
    expect(await store.destroyUser(HEX)).to.equal(1)
  })
})

function byAccount({ account }: { account?: { _id?: object | string } }): unknown {
  return account?._id
}
