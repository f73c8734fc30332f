import { expect } from 'chai'
import { UserSessionStore } from '../src/index.ts'
import { spliceCookie } from '../src/splice-cookie.ts'
import { connect, freshPrefixes, type TestClient } from './support/hooks.ts'

describe('A touch exchanges the cookie at the head of a record', () => {
  const cookies: Record<string, object> = {
    'a plain one': { originalMaxAge: 60000, expires: '2030-01-01T00:00:00.000Z', httpOnly: true, path: '/' },
    'braces and quotes': { path: '/}"{\\', domain: '"}' },
    'text that is not ASCII': { domain: 'bücher.example', path: '/☕/😀' },
    'an empty one': {},
  }
  for (const [what, cookie] of Object.entries(cookies)) {
    it(`with ${what}`, () => {
      const data = { name: 'Zoë 😀', nested: { cookie: { a: 1 } } }
      const raw = JSON.stringify({ cookie, ...data })
      const old = JSON.stringify(cookie)
      const other = old.replace(/[a-z☕]/, (letter) => (letter === '☕' ? '☔' : 'x'))
      const splice = spliceCookie(raw, other)
      expect(splice?.raw).to.equal(raw.replace(old, other))
      expect([splice?.from, splice?.to]).to.deep.equal([`{"cookie":${old}`, `{"cookie":${other}`])
    })
  }

  it('not where the new one is longer or shorter in bytes, if not in characters', () => {
    const raw = '{"cookie":{"path":"/é"},"userId":"a"}'
    expect(spliceCookie(raw, '{"path":"/ë"}')).to.have.property(
      'raw',
      '{"cookie":{"path":"/ë"},"userId":"a"}',
    )
    for (const path of ['/e', '/ée', '/☕']) {
      expect(spliceCookie(raw, JSON.stringify({ path }))).to.equal(null)
    }
  })

  for (const raw of ['{"userId":"a","cookie":{}}', '{"cookie":null}', '{"cookie":{"a":{}}}', '{}', '']) {
    it(`not where the record is ${raw || 'empty'}`, () => {
      expect(spliceCookie(raw, '{}')).to.equal(null)
    })
  }

  describe('in Redis', () => {
    let client: TestClient
    before(async () => {
      client = await connect()
    })
    after(() => client.close())

    it('and leaves every byte after it as it was', async () => {
      const { prefix, userPrefix } = freshPrefixes()
      const store = new UserSessionStore({ client, prefix, userPrefix })
      const cookie = {
        originalMaxAge: 60_000,
        expires: new Date(Date.now() + 60_000),
        path: '/☕',
        domain: 'ü',
      }
      await store.set('id', { cookie, userId: 'Zoë', note: '😀 "}' } as never)
      const session = await store.get('id')
      if (!session) throw new Error('it was saved')
      const expires = new Date(Date.now() + 90_000)
      session.cookie.expires = expires
      await store.touch('id', session)
      const stored = JSON.parse((await client.get(`${prefix}id`)) as string)
      expect(stored).to.deep.equal({
        cookie: { ...cookie, expires: expires.toISOString() },
        userId: 'Zoë',
        note: '😀 "}',
      })
      expect(await client.pExpireTime(`${prefix}id`)).to.equal(expires.getTime())
    })
  })
})
