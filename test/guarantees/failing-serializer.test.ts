/** A serializer that fails for a moment, such as one that asks a key service: an error to the caller, and not a corrupt record. */
import { expect } from 'chai'
import {
  createSession,
  deleteSession,
  deleteUserSessions,
  getUserSessions,
  readSession,
  type UserSessionStore,
  updateSession,
  updateUserSessions,
} from '../../src/index.ts'
import { appWith, browser, cookieFor, sessionIdIn, sessionOf } from '../support/app.ts'
import { HOUR, inMs, rejection, useDatabase } from '../support/database.ts'
import { failBefore } from '../support/paused-client.ts'
import { load, theLoad } from '../support/scene.ts'
import { newSession } from '../support/sessions.ts'

/** As a file system or a DNS resolver says it: express-session takes this code for "there is no session". */
const away = Object.assign(new Error('the key service does not answer'), { code: 'ENOENT' })

/** Seals nothing, but is as asynchronous as one that does. */
class KeyService {
  isAway = false
  readonly serializer = {
    parse: async (text: string): Promise<unknown> => this.#answer(JSON.parse(text)),
    stringify: async (session: unknown): Promise<string> => this.#answer(JSON.stringify(session)),
  }

  async #answer<T>(value: T): Promise<T> {
    if (this.isAway) throw away
    return value
  }
}

describe('Guarantee 7, alone: a serializer that fails for a moment', () => {
  const db = useDatabase()
  let keys: KeyService
  let store: UserSessionStore

  beforeEach(async () => {
    keys = new KeyService()
    store = db.store({ serializer: keys.serializer })
    await store.set('s1', newSession({ userId: 'eva', role: 'admin' }))
  })

  /** What needs to read a record that it is about to change or to show. */
  const reading: Record<string, () => Promise<unknown>> = {
    get: () => store.get('s1'),
    all: () => store.all(),
    userSessions: () => store.userSessions('eva'),
    updateUser: () => store.updateUser('eva', { role: 'guest' } as never),
    destroyUser: () => store.destroyUser('eva'),
    'destroyUser with except': () => store.destroyUser('eva', { except: 'another' }),
    destroyUserSession: () => store.destroyUserSession('eva', 's1'),
    reindex: () => store.reindex(),
    sessions: async () => {
      for await (const session of store.sessions()) return session
    },
  }

  for (const [name, call] of Object.entries(reading)) {
    it(`${name} rejects with its error, changes nothing, and works as soon as it answers again`, async () => {
      const before = await db.dump()
      keys.isAway = true
      const error = await rejection(call())
      expect(error.message).to.include('the key service does not answer')
      expect(error).to.not.have.property('code', 'SESSION_CORRUPT')
      expect(await db.dump()).to.deep.equal(before)
      keys.isAway = false
      await call()
    })
  }

  it('destroy signs out, or rejects and has changed nothing', async () => {
    const before = await db.dump()
    keys.isAway = true
    const error = await store.destroy('s1').then(
      () => undefined,
      (error: Error) => error,
    )
    if (error) expect(await db.dump()).to.deep.equal(before)
    else expect(await db.raw('s1')).to.equal(null)
  })

  it('a save rejects, and the record stays as it was', async () => {
    const session = await load(store, 's1')
    const before = await db.dump()
    keys.isAway = true
    const error = await rejection(store.set('s1', Object.assign(session, { role: 'guest' })))
    expect(error).to.equal(away)
    expect(await db.dump()).to.deep.equal(before)
    keys.isAway = false
    await store.set('s1', session)
    expect(await db.record('s1')).to.include({ role: 'guest' })
  })

  it('a merge rejects, and loses nothing of either side', async () => {
    const [mine, theirs] = [await load(store, 's1'), await load(store, 's1')]
    await store.set('s1', Object.assign(theirs, { theirs: true }))
    const saving = store.set('s1', Object.assign(mine, { mine: true }))
    keys.isAway = true
    await rejection(saving)
    expect(await db.record('s1'))
      .to.include({ theirs: true })
      .and.not.have.property('mine')
    keys.isAway = false
    await store.set('s1', mine)
    expect(await db.record('s1')).to.include({ theirs: true, mine: true })
  })

  it('over HTTP it is an error, and signs nobody out', async () => {
    const app = appWith(store, {
      '/sign-in': (req, res) => {
        sessionOf(req).userId = 'eva'
        res.send('in')
      },
      '/who': (req, res) => res.json({ user: sessionOf(req).userId ?? null }),
    })
    const device = browser(app)
    await device.get('/sign-in').expect('in')
    keys.isAway = true
    const refused = await device.get('/who').expect(500)
    expect(sessionIdIn(refused), 'a new session').to.equal(undefined)
    keys.isAway = false
    await device.get('/who').expect({ user: 'eva' })
  })
})

describe('Guarantee 8, bounded waiting: an error with the code ENOENT', () => {
  const db = useDatabase()
  const unreachable = () => Object.assign(new Error('connect ENOENT /redis.sock'), { code: 'ENOENT' })
  const failing = () => failBefore(db.client, 1, unreachable()).client

  it('of the client is no missing session: get rejects, by promise and by callback', async () => {
    await db.store().set('s1', newSession({ userId: 'eva' }))
    const error = await rejection(db.store({ client: failing() }).get('s1'))
    expect(error.message).to.include('ENOENT')
    expect(error).to.not.have.property('code', 'ENOENT')
    const [reported, session] = await new Promise<unknown[]>((resolve) => {
      db.store({ client: failing() }).get('s1', (...said: unknown[]) => resolve(said))
    })
    expect(reported).to.be.instanceOf(Error).and.not.have.property('code', 'ENOENT')
    expect(session).to.equal(undefined)
  })

  it('over HTTP is an error, and the session is there when Redis is again', async () => {
    await db.store().set('s1', newSession({ userId: 'eva' }))
    const { client } = failBefore(db.client, theLoad, unreachable())
    const device = browser(
      appWith(db.store({ client }), {
        '/who': (req, res) => res.json({ user: sessionOf(req).userId ?? null }),
      }),
    )
    await device.get('/who').set('cookie', cookieFor('s1')).expect(500)
    await device.get('/who').set('cookie', cookieFor('s1')).expect({ user: 'eva' })
  })

  it('keeps its code in the functions, which give it no meaning', async () => {
    await createSession({ ...db.options, sessionId: 's1', data: { userId: 'eva', expires: inMs(HOUR) } })
    const error = await rejection(readSession({ ...db.options, client: failing(), sessionId: 's1' }))
    expect(error).to.have.property('message', 'connect ENOENT /redis.sock')
  })
})

describe('Guarantee 3, owned: functions that do not know the store’s option userId', () => {
  const db = useDatabase()
  const byAccount = (session: object) => (session as { account?: string }).account
  const stores = () => db.store({ userId: byAccount })

  beforeEach(async () => {
    await stores().set('s1', newSession({ account: 'eva' }))
    await stores().set('s2', newSession({ account: 'eva', userId: 'a number of another kind' }))
    await stores().set('s3', newSession({ account: 'bob', passport: { user: 'eva' } }))
  })

  it('find, update and delete the sessions of the user that the store says', async () => {
    const options = { ...db.options, userId: 'eva' }
    expect((await getUserSessions(options)).map(({ sessionId }) => sessionId)).to.have.members(['s1', 's2'])
    await updateUserSessions({ ...options, data: { role: 'guest' } })
    for (const id of ['s1', 's2']) expect(await db.record(id)).to.include({ role: 'guest', account: 'eva' })
    expect(await db.record('s3')).to.not.have.property('role')
    await deleteUserSessions(options)
    expect(await db.raw('s3')).to.not.equal(null)
    expect(await db.index('eva')).to.deep.equal({})
    expect(Object.keys(await db.index('bob'))).to.deep.equal(['s3'])
  })

  it('update one session and leave it with its user', async () => {
    const options = db.options
    for (const sessionId of ['s1', 's2', 's3']) {
      await updateSession({ ...options, sessionId, data: { note: 1, expires: inMs(2 * HOUR) } })
    }
    expect(Object.keys(await db.index('eva'))).to.have.members(['s1', 's2'])
    expect(Object.keys(await db.index('bob'))).to.deep.equal(['s3'])
    const listed = await stores().userSessions('eva')
    expect(listed.map(({ sessionId }) => sessionId)).to.have.members(['s1', 's2'])
  })

  it('refuse to take a session from its user', async () => {
    const before = await db.dump()
    for (const sessionId of ['s1', 's2', 's3']) {
      const taking = updateSession({ ...db.options, sessionId, data: { userId: 'mallory' } })
      expect(await rejection(taking)).to.have.property('code', 'SESSION_USER')
    }
    expect(await db.dump()).to.deep.equal(before)
  })

  it('delete one session with its entry', async () => {
    await deleteSession({ ...db.options, sessionId: 's3' })
    expect(await db.index('bob')).to.deep.equal({})
  })
})
