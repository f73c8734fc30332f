import { expect } from 'chai'
import { UserSessionStore } from '../../src/index.ts'
import { spliceExpires } from '../../src/requests/splice-expires.ts'
import { isoTime } from '../../src/session/expiry.ts'
import { connect, freshPrefixes, type TestClient } from '../support/hooks.ts'

const OLD = '2030-01-01T00:00:00.000Z'
const NEW = '2031-12-31T23:59:59.999Z'

describe('A touch exchanges when the cookie at the head of a record expires', () => {
  const cookies: Record<string, object> = {
    'as express-session writes it': { originalMaxAge: 60000, expires: OLD, httpOnly: true, path: '/' },
    'at its end': { httpOnly: true, originalMaxAge: 60000, path: '/', expires: OLD },
    'after its age alone': { originalMaxAge: null, expires: OLD },
    'after braces and quotes': { path: '/}"{\\', originalMaxAge: 1, domain: '"}', expires: OLD },
    'after text that is not ASCII': {
      domain: 'bücher.example',
      path: '/☕/😀',
      originalMaxAge: 1,
      expires: OLD,
    },
    'after what looks like it': {
      originalMaxAge: 1,
      path: `"expires":"${NEW}"`,
      domain: 'expires',
      expires: OLD,
    },
  }
  for (const [what, cookie] of Object.entries(cookies)) {
    it(what, () => {
      const data = { name: 'Zoë 😀', nested: { cookie: { expires: OLD } }, expires: OLD }
      const raw = JSON.stringify({ cookie, ...data })
      const touched = JSON.stringify({ cookie: { ...cookie, expires: NEW }, ...data })
      const splice = spliceExpires(raw, NEW)
      expect(splice?.raw).to.equal(touched)
      const end =
        touched.indexOf(`"expires":"${NEW}"`, touched.includes(`\\"${NEW}`) ? 60 : 0) + NEW.length + 12
      expect(splice?.to).to.equal(touched.slice(0, end))
      expect(splice?.from).to.equal(raw.slice(0, end))
    })
  }

  const others: Record<string, string> = {
    'the cookie is not at the head': `{"userId":"a","cookie":{"originalMaxAge":1,"expires":"${OLD}"}}`,
    'there is no cookie': `{"expires":"${OLD}"}`,
    'the cookie is null': `{"cookie":null,"expires":"${OLD}"}`,
    'the cookie says nothing': `{"cookie":{},"expires":"${OLD}"}`,
    'the cookie does not expire': `{"cookie":{"originalMaxAge":1,"expires":null},"expires":"${OLD}"}`,
    'the cookie holds an object before': `{"cookie":{"originalMaxAge":1,"a":{"expires":"${OLD}"},"expires":"${OLD}"}}`,
    'the old time is of another form':
      '{"cookie":{"originalMaxAge":1,"expires":"Tue, 01 Jan 2030 00:00:00 GMT"}}',
    'the old time is of another length': '{"cookie":{"originalMaxAge":1,"expires":"2030-01-01T00:00:00Z"}}',
    'the age of the cookie comes later': `{"cookie":{"expires":"${OLD}","originalMaxAge":1}}`,
    'the cookie says only what looks like its age': JSON.stringify({
      cookie: { path: '"originalMaxAge":1', expires: OLD },
    }),
    'the record is cut off': `{"cookie":{"originalMaxAge":1,"expires":"${OLD}`,
    'the record is empty': '',
  }
  for (const [what, raw] of Object.entries(others)) {
    it(`not where ${what}`, () => {
      expect(spliceExpires(raw, NEW)).to.equal(null)
    })
  }

  for (const expires of [
    '+010000-01-01T00:00:00.000Z',
    '-000001-01-01T00:00:00.000Z',
    '2031-12-31',
    'null',
  ]) {
    it(`not by ${expires}`, () => {
      expect(spliceExpires(`{"cookie":{"originalMaxAge":1,"expires":"${OLD}"}}`, expires)).to.equal(null)
    })
  }

  it('and writes times as Date does', () => {
    const second = Date.parse(OLD)
    for (const ms of [0, 1, 12, 999, 1000, 86_399_999, -1, -1001, Date.parse(NEW) - second]) {
      expect(isoTime(second + ms)).to.equal(new Date(second + ms).toISOString())
      expect(isoTime(ms)).to.equal(new Date(ms).toISOString())
    }
  })

  describe('in Redis', () => {
    let client: TestClient
    before(async () => {
      client = await connect()
    })
    after(() => client.close())

    async function touched(change: (cookie: Record<string, unknown>) => void, more = {}) {
      const { prefix, userPrefix } = freshPrefixes()
      const store = new UserSessionStore({ client, prefix, userPrefix })
      const cookie = {
        originalMaxAge: 60_000,
        expires: new Date(Date.now() + 60_000),
        path: '/☕',
        domain: 'ü',
        ...more,
      }
      await store.set('id', { cookie, userId: 'Zoë', note: '😀 "}' } as never)
      const session = await store.get('id')
      if (!session) throw new Error('it was saved')
      change(session.cookie as never)
      await store.touch('id', session)
      const stored = JSON.parse((await client.get(`${prefix}id`)) as string)
      return { cookie, stored, ttlEnd: await client.pExpireTime(`${prefix}id`) }
    }

    it('and leaves every byte after it as it was', async () => {
      const expires = new Date(Date.now() + 90_000)
      const { cookie, stored, ttlEnd } = await touched((cookie) => {
        cookie.expires = expires
      })
      const after = { ...cookie, expires: expires.toISOString() }
      expect(stored).to.deep.equal({ cookie: after, userId: 'Zoë', note: '😀 "}' })
      expect(ttlEnd).to.equal(expires.getTime())
    })

    it('and the whole cookie where its age comes later, which another request has changed', async () => {
      const { prefix, userPrefix } = freshPrefixes()
      const store = new UserSessionStore({ client, prefix, userPrefix })
      const cookie = { expires: new Date(Date.now() + 60_000), originalMaxAge: 60_000 }
      await store.set('id', { cookie, userId: 'eva' } as never)
      const [a, b] = [await store.get('id'), await store.get('id')]
      if (!a || !b) throw new Error('it was saved')
      b.cookie.originalMaxAge = 3_600_000
      await store.set('id', b)
      a.cookie.expires = new Date(Date.now() + 70_000)
      await store.touch('id', a)
      const [listed] = await store.userSessions('eva')
      expect(listed?.data.cookie.originalMaxAge).to.equal(3_600_000)
      expect(listed?.expires.getTime()).to.equal(a.cookie.expires.getTime() - 60_000 + 3_600_000)
    })

    it('and a touch that waits for a save says what it said when it was called', async () => {
      const { prefix, userPrefix } = freshPrefixes()
      const store = new UserSessionStore({ client, prefix, userPrefix })
      const expires = new Date(Date.now() + 60_000)
      const end = expires.getTime()
      const session = { cookie: { originalMaxAge: 60_000, expires }, userId: 'eva' }
      const saving = store.set('id', session as never)
      session.cookie.originalMaxAge = 61_000
      const touching = store.touch('id', session as never)
      expires.setTime(end + 30_000)
      await Promise.all([saving, touching])
      const stored = JSON.parse((await client.get(`${prefix}id`)) as string)
      expect(stored.cookie).to.deep.equal({ originalMaxAge: 61_000, expires: new Date(end).toISOString() })
      expect(await client.pExpireTime(`${prefix}id`)).to.equal(end)
    })

    it('and the whole cookie where an object in it has changed', async () => {
      const { stored } = await touched(
        (cookie) => {
          Object.assign(cookie.custom as object, { a: 2 })
          cookie.expires = new Date(Date.now() + 90_000)
        },
        { custom: { a: 1 } },
      )
      expect(stored.cookie.custom).to.deep.equal({ a: 2 })
    })

    it('and the whole cookie where something else in it has changed', async () => {
      const expires = new Date(Date.now() + 90_000)
      const { stored, ttlEnd } = await touched((cookie) => {
        Object.assign(cookie, { expires, originalMaxAge: 90_000, path: '/', secure: true })
        delete cookie.domain
      })
      const after = { originalMaxAge: 90_000, expires: expires.toISOString(), path: '/', secure: true }
      expect(stored).to.deep.equal({ cookie: after, userId: 'Zoë', note: '😀 "}' })
      expect(ttlEnd).to.equal(expires.getTime())
    })
  })
})
