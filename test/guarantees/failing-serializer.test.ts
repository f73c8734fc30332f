/**
 * A serializer that fails for a moment, for example because it asks a key service. The caller gets an error, and the
 * record is not corrupt.
 */
import { type CipherGCM, createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { brotliCompressSync, brotliDecompress, gunzip, gzipSync } from 'node:zlib'
import { expect } from 'chai'
import type { UserSessionStore } from '../../src/index.ts'
import { appWith, browser, sessionIdIn, sessionOf } from '../support/app.ts'
import { rejection, useDatabase } from '../support/database.ts'
import { load } from '../support/scene.ts'
import { newSession } from '../support/sessions.ts'

/** The error of a file system or a DNS resolver. express-session takes this code for a missing session. */
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

  /** Calls that must read a record before they change or return it. */
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

  it('so it is with a synchronous serializer whose key file is missing', async () => {
    let isMissing = false
    const missing = Object.assign(new Error('the key file is missing'), { code: 'ENOENT' })
    const parse = (text: string) => {
      if (isMissing) throw missing
      return JSON.parse(text)
    }
    const sealed = db.store({ serializer: { parse, stringify: JSON.stringify } })
    isMissing = true
    const change = () => sealed.updateUser('eva', { role: 'guest' } as never)
    for (const call of [() => sealed.get('s1'), () => sealed.userSessions('eva'), change]) {
      expect((await rejection(call())).message).to.equal('the key file is missing')
    }
    expect(await rejection(sealed.get('s1'))).to.not.have.property('code', 'ENOENT')
    isMissing = false
    expect(await change()).to.equal(1)
  })

  it('an error of a parser is not one of the system, although its code begins with E: the record is corrupt', async () => {
    const wrong = Object.assign(new Error('Unexpected end of JSON input'), { code: 'EJSONPARSE' })
    const parse = (text: string) => {
      if (text.endsWith('}')) return JSON.parse(text)
      throw wrong
    }
    const strict = db.store({ serializer: { parse, stringify: JSON.stringify } })
    await strict.set('s2', newSession({ userId: 'eva' }))
    await db.client.set(db.sessionKey('s1'), '{"userId":"eva"', { KEEPTTL: true })
    expect(await rejection(strict.get('s1'))).to.have.property('code', 'SESSION_CORRUPT')
    expect(await strict.destroyUser('eva')).to.equal(2)
  })

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

  it('over HTTP it is an error, and no user is signed out', async () => {
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

describe('Guarantee 7, alone: a record that an asynchronous serializer cannot read', () => {
  const db = useDatabase()
  const key = randomBytes(32)

  const gunzipped = async (bytes: Buffer) => (await promisify(gunzip)(bytes)).toString()
  const unbrotlied = async (bytes: Buffer) => (await promisify(brotliDecompress)(bytes)).toString()
  const gcm = async (bytes: Buffer) => {
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12))
    decipher.setAuthTag(bytes.subarray(12, 28))
    return Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString()
  }
  const cbc = async (bytes: Buffer) => {
    const decipher = createDecipheriv('aes-256-cbc', key, bytes.subarray(0, 16))
    return Buffer.concat([decipher.update(bytes.subarray(16)), decipher.final()]).toString()
  }
  const sealedWith = (mode: 'gcm' | 'cbc', text: string) => {
    const iv = randomBytes(mode === 'gcm' ? 12 : 16)
    const cipher = createCipheriv(`aes-256-${mode}`, key, iv) as CipherGCM
    const sealed = Buffer.concat([cipher.update(text), cipher.final()])
    return Buffer.concat(mode === 'gcm' ? [iv, cipher.getAuthTag(), sealed] : [iv, sealed])
  }

  for (const [name, pack, unpack] of [
    ['gzip', gzipSync, gunzipped],
    ['brotli', brotliCompressSync, unbrotlied],
    ['AES-GCM of node:crypto', (text: string) => sealedWith('gcm', text), gcm],
    ['AES-CBC of node:crypto', (text: string) => sealedWith('cbc', text), cbc],
  ] as [string, (text: string) => Buffer, (bytes: Buffer) => Promise<string>][]) {
    it(`with ${name}: it is corrupt, and stops neither the list nor the sign-out of its user`, async () => {
      const serializer = {
        stringify: async (session: unknown) => pack(JSON.stringify(session)).toString('base64'),
        parse: async (text: string): Promise<unknown> =>
          JSON.parse(await unpack(Buffer.from(text, 'base64'))),
      }
      const store = db.store({ serializer })
      for (const wrong of ['', 'e30=', Buffer.alloc(61, 7).toString('base64'), '{"userId":"eva"}']) {
        for (const id of ['good', 'bad']) await store.set(id, newSession({ userId: 'eva' }))
        await db.client.set(db.sessionKey('bad'), wrong, { expiration: 'KEEPTTL' })
        expect((await rejection(store.get('bad'))).name).to.equal('CorruptSessionError')
        expect((await store.userSessions('eva')).map(({ sessionId }) => sessionId)).to.deep.equal(['good'])
        expect(await store.updateUser('eva', { role: 'user' } as never)).to.equal(1)
        expect(await store.destroyUser('eva')).to.equal(2)
      }
    })
  }
})
