/**
 * absoluteTtl: no session lives longer after its creation, for any use of it. No write can move the creation time.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import type { Request } from 'express'
import { createSession, type UserSessionStore, updateSession, updateUserSessions } from '../../src/index.ts'
import { handleOf } from '../../src/session/handle.ts'
import { appWith, browser, sessionIdIn, sessionOf } from '../support/app.ts'
import { HOUR, inMs, MINUTE, SECOND, useDatabase } from '../support/database.ts'
import { heard, nextTurn } from '../support/heard.ts'
import { expectListed } from '../support/listed.ts'
import { load, newId, onEveryStage, type Scene, theWrite } from '../support/scene.ts'
import { cookie, type Fields, fields, newSession, usedCookie } from '../support/sessions.ts'

const DAY = 24 * HOUR
const ABSOLUTE = 12 * HOUR
/** Cookies are made a moment before the session that they belong to. */
const MOMENT = 5 * SECOND

describe('absoluteTtl', () => {
  onEveryStage(
    (scene) => {
      const limited = (options = {}) => scene.store({ absoluteTtl: ABSOLUTE / 1000, ...options })

      /** A session that was created `ago` ms ago and is used for up to 30 days. */
      async function oldSession(ago: number, data: Fields = {}): Promise<string> {
        const id = newId()
        const session = newSession(
          { userId: 'alice', sessionCreated: Date.now() - ago, ...data },
          cookie(30 * DAY),
        )
        await limited().set(id, session)
        return id
      }

      /** TTL, score, record and all reports have the same end. */
      async function expectEnd(id: string, end: number, userId = 'alice'): Promise<void> {
        expect(await scene.expectOneExpiry(id, userId)).to.be.closeTo(end, MOMENT)
        const [listed] = (await limited().userSessions(userId)).filter(
          ({ handle }) => handle === handleOf(id),
        )
        expect(listed?.created?.getTime()).to.be.closeTo(end - ABSOLUTE, MOMENT)
        const loaded = await load(limited(), id)
        expect(loaded.cookie.expires?.getTime()).to.equal(await scene.expiry(id))
      }

      it('a new session ends so long after its start at the latest: TTL, score, record and reports agree', async () => {
        const id = newId()
        await limited().set(id, newSession({ userId: 'alice' }, cookie(30 * DAY)))
        await expectEnd(id, Date.now() + ABSOLUTE)
      })

      it('a session that would end sooner does so, and a touch does not move it beyond the absolute end', async () => {
        const id = await oldSession(ABSOLUTE - HOUR)
        const end = Date.now() + HOUR
        const store = limited()
        for (const maxAge of [MINUTE, 30 * DAY, HOUR]) {
          const session = await load(store, id)
          session.cookie.maxAge = maxAge
          session.touch()
          await store.touch(id, session)
          await expectOneEnd(Math.min(end, Date.now() + maxAge))
        }

        async function expectOneEnd(expected: number) {
          expect(await scene.expectOneExpiry(id, 'alice')).to.be.closeTo(expected, MOMENT)
        }
      })

      it('the cookie object that the browser gets is capped as soon as it is touched', async () => {
        const session = await load(limited(), await oldSession(ABSOLUTE - HOUR))
        session.cookie.maxAge = 30 * DAY
        session.touch()
        expect(session.cookie.expires?.getTime()).to.be.closeTo(Date.now() + HOUR, MOMENT)
      })

      it('a cookie without maxAge, or a session with its own expires, is capped too', async () => {
        const store = limited({ ttl: 30 * 24 * 3600 })
        const created = Date.now() - ABSOLUTE + HOUR
        const [browsers, own] = [newId(), newId()]
        await store.set(browsers, newSession({ userId: 'alice', sessionCreated: created }, cookie(null)))
        await store.set(
          own,
          newSession({ userId: 'alice', sessionCreated: created, expires: inMs(30 * DAY) }, cookie(null)),
        )
        for (const id of [browsers, own]) {
          expect(await scene.expiry(id)).to.be.closeTo(Date.now() + HOUR, MOMENT)
          expect((await scene.index('alice'))[id]).to.equal(await scene.expiry(id))
        }
        expect(Date.parse((await scene.record(own)).expires as string)).to.equal(await scene.expiry(own))
      })

      it('of a cookie that is capped all else stays as it was, its maxAge too', async () => {
        const id = newId()
        const long = Object.assign(cookie(30 * DAY), { sameSite: 'strict', domain: 'example.com' })
        const { expires: _, ...attributes } = JSON.parse(JSON.stringify(long))
        await limited().set(id, newSession({ userId: 'alice' }, long))
        await expectCapped()
        await scene.store().set(id, newSession({ userId: 'alice', sessionCreated: Date.now() }, long))
        await limited().updateUser('alice', { role: 'admin' } as never)
        await expectCapped()

        async function expectCapped() {
          const { expires, index, ...kept } = (await scene.record(id)).cookie
          const end = await scene.expiry(id)
          expect(kept).to.deep.equal(attributes)
          expect(kept).to.include({ originalMaxAge: long.originalMaxAge })
          expect(Date.parse(expires as string)).to.equal(end)
          expect(index, 'no touch may move it further').to.deep.equal({ until: end })
        }
      })

      it('a session that ends no later than it may is written as it is', async () => {
        const store = limited()
        const brief = usedCookie(HOUR / 2)
        const sessionCreated = (brief.expires as Date).getTime() - ABSOLUTE
        const expires = new Date(sessionCreated + ABSOLUTE).toISOString().replace('Z', '+00:00')
        for (const session of [
          newSession({ userId: 'alice', sessionCreated }, brief),
          newSession({ userId: 'alice', sessionCreated, expires }, cookie(null)),
          newSession({ userId: 'alice', sessionCreated: sessionCreated + 1, expires }, cookie(null)),
          newSession({ userId: 'alice', sessionCreated }, cookie(null)),
        ]) {
          const id = newId()
          await store.set(id, session)
          const until = Date.parse(expires)
          const written = JSON.parse(JSON.stringify(session))
          Object.assign(written.cookie, { index: { until } })
          expect(await scene.record(id)).to.deep.equal(written)
          expect(await scene.expiry(id)).to.equal(until)
          expect((await scene.index('alice'))[id]).to.equal(until)
        }
      })

      it('an app may put a touch of its own in the place of the one that is capped', async () => {
        const session = await load(limited(), await oldSession(ABSOLUTE - HOUR))
        const capped = session.touch
        session.touch = () => session
        expect(session.touch).to.not.equal(capped)
        expect(delete (session as Partial<typeof session>).touch).to.equal(true)
      })

      it('if the cookie has an expiry, the app may use the name expires for something else', async () => {
        for (const expires of [inMs(30 * DAY), 'March 2099', 7, null]) {
          const id = await oldSession(ABSOLUTE - HOUR, { expires })
          expect(await scene.record(id)).to.include({ expires })
          await expectEnd(id, Date.now() + HOUR)
        }
      })

      describe('the start cannot be reset', () => {
        const writes: Record<
          string,
          (store: UserSessionStore, id: string, scene: Scene) => Promise<unknown>
        > = {
          'by a save': async (store, id) => {
            const session = await load(store, id)
            session.cart = ['book']
            session.cookie.maxAge = 30 * DAY
            await store.set(id, session)
          },
          'by a save that sets it': async (store, id) => {
            const session = await load(store, id)
            Object.assign(session, { sessionCreated: Date.now() })
            session.cookie.maxAge = 30 * DAY
            await store.set(id, session)
          },
          'by a save that deletes it': async (store, id) => {
            const session = await load(store, id)
            delete session.sessionCreated
            session.cookie.maxAge = 30 * DAY
            await store.set(id, session)
            await store.set(id, session)
          },
          'by nonsense in its place': async (store, id) => {
            for (const nonsense of ['', 'now', null, Number.NaN, Number.POSITIVE_INFINITY, {}, [], inMs(0)]) {
              const session = await load(store, id)
              session.sessionCreated = nonsense
              session.cookie.maxAge = 30 * DAY
              await store.set(id, session)
            }
          },
          'by a touch': async (store, id) => {
            const session = await load(store, id)
            session.cookie.maxAge = 30 * DAY
            await store.touch(id, session)
          },
          'by a touch of data that was never loaded': (store, id) =>
            store.touch(id, newSession({ sessionCreated: Date.now() }, cookie(30 * DAY))),
          'by overlapping saves that merge': async (store, id) => {
            const requests = await Promise.all([1, 2, 3].map(() => load(store, id)))
            for (const [n, session] of requests.entries()) {
              session[`of request ${n}`] = true
              if (n === 1) delete session.sessionCreated
              if (n === 2) session.sessionCreated = Date.now() + DAY
              session.cookie.maxAge = (30 + n) * DAY
            }
            await Promise.all(requests.map((session) => store.set(id, session)))
          },
          'by updateUser': (store) =>
            store.updateUser('alice', {
              sessionCreated: Date.now(),
              role: 'admin',
              expires: inMs(30 * DAY),
            } as never),
          'by updateUser with a cookie': (store) =>
            store.updateUser('alice', { cookie: cookie(30 * DAY) } as never),
          'by updateUser with null': (store) => store.updateUser('alice', { sessionCreated: null } as never),
          'by updateSession, then a request': async (store, id, { options }) => {
            await updateSession({ ...options, sessionId: id, data: { sessionCreated: Date.now(), cart: [] } })
            await store.touch(id, await load(store, id))
          },
          'by updateUserSessions, then a request': async (store, id, { options }) => {
            await updateUserSessions({ ...options, userId: 'alice', data: { sessionCreated: undefined } })
            await store.touch(id, await load(store, id))
          },
          'by reload': async (store, id) => {
            const session = await load(store, id)
            delete session.sessionCreated
            await new Promise((resolve) => session.reload(resolve))
            const reloaded = await load(store, id)
            delete reloaded.sessionCreated
            await store.set(id, reloaded)
          },
          'by saving a copy under the same id': async (store, id) =>
            store.set(id, { ...(await store.get(id)), cookie: cookie(30 * DAY) } as never),
          'by saving a copy without it under the same id': async (store, id) => {
            const { sessionCreated, ...copy } = fields(await store.get(id))
            await store.set(id, { ...copy, cookie: cookie(30 * DAY) } as never)
            const other = newSession({ userId: 'alice' }, cookie(30 * DAY))
            await store.set(id, other)
            other.cookie.maxAge = 30 * DAY
            await store.set(id, other)
          },
        }
        for (const [name, write] of Object.entries(writes)) {
          it(name, async () => {
            const id = await oldSession(ABSOLUTE - HOUR)
            const end = Date.now() + HOUR
            await write(limited(), id, scene)
            await expectEnd(id, end)
            await write(limited(), id, scene)
            await expectEnd(id, end)
          })
        }

        it('by saving a copy of its data under another id', async () => {
          const store = limited()
          const id = await oldSession(ABSOLUTE - HOUR)
          const copy = newId()
          await store.set(copy, { ...(await store.get(id)), cookie: cookie(30 * DAY) } as never)
          await expectEnd(copy, Date.now() + HOUR)
        })
      })

      it('two saves that both find no start agree on the earlier one', async () => {
        const id = await scene.signIn('alice')
        const { store: slow, reached, release } = stoppedBeforeWrite(scene)
        const late = await load(slow, id)
        late.cart = ['book']
        late.cookie.maxAge = 30 * DAY
        const before = Date.now()
        const saving = slow.set(id, late)
        await reached
        const started = Date.now()
        while (Date.now() === started) await sleep(1)
        const store = limited()
        const session = await load(store, id)
        session.role = 'admin'
        await store.set(id, session)
        release()
        await saving
        const record = await scene.record(id)
        expect(record).to.include({ role: 'admin' }).and.to.have.deep.property('cart', ['book'])
        expect(record.sessionCreated).to.be.within(before, started)
        await scene.expectOneExpiry(id, 'alice')
      })

      it('a save without a creation time uses the one that another request has written since', async () => {
        const id = await scene.signIn('alice')
        const [store, other] = [limited(), limited()]
        const slow = await load(store, id)
        await other.set(id, Object.assign(await load(other, id), { role: 'admin' }))
        const { sessionCreated: earlier } = await scene.record(id)
        expect(earlier).to.be.a('number')
        while (Date.now() === earlier) await sleep(1)
        slow.cart = ['book']
        await store.set(id, slow)
        expect(await scene.record(id)).to.include({ sessionCreated: earlier, role: 'admin' })
      })

      it('sessions from before the option get a creation time at their next write, by any writer', async () => {
        const writes: Record<string, (store: UserSessionStore, id: string) => Promise<unknown>> = {
          save: async (store, id) => store.set(id, Object.assign(await load(store, id), { cart: [] })),
          touch: async (store, id) => store.touch(id, await load(store, id)),
          'touch without load': (store, id) => store.touch(id, newSession({}, cookie(30 * DAY))),
          updateUser: (store) => store.updateUser('alice', { role: 'admin' } as never),
        }
        for (const [name, write] of Object.entries(writes)) {
          for (const maxAge of [30 * DAY, null]) {
            const id = newId()
            const lasting = scene.store({ ttl: 30 * 24 * 3600 })
            await lasting.set(id, newSession({ userId: 'alice' }, cookie(maxAge)))
            expect(await scene.expiry(id)).to.be.closeTo(Date.now() + 30 * DAY, MOMENT)
            const store = limited({ ttl: 30 * 24 * 3600 })
            expect((await store.userSessions('alice'))[0]).to.not.have.property('created')
            await write(store, id)
            expect(await scene.expiry(id), name).to.be.closeTo(Date.now() + ABSOLUTE, MOMENT)
            expect((await scene.index('alice'))[id], name).to.equal(await scene.expiry(id))
            expect((await scene.record(id)).sessionCreated, name).to.be.closeTo(Date.now(), MOMENT)
            if (maxAge !== null) await expectEnd(id, Date.now() + ABSOLUTE)
            await store.destroyUser('alice')
          }
        }
      })

      it('a start in the future is none: it is as if the session had been created now', async () => {
        const sessionCreated = Date.now() + 300 * DAY
        const data = { userId: 'alice', sessionCreated, expires: inMs(30 * DAY) }
        const writes: Record<string, (store: UserSessionStore, id: string) => Promise<unknown>> = {
          save: async (store, id) => store.set(id, Object.assign(await load(store, id), { cart: [] })),
          touch: async (store, id) => store.touch(id, await load(store, id)),
          'touch without load': (store, id) => store.touch(id, newSession({}, cookie(30 * DAY))),
          updateUser: (store) => store.updateUser('alice', { role: 'admin' } as never),
        }
        for (const [name, write] of Object.entries(writes)) {
          const [made, saved] = [newId(), newId()]
          await createSession({ ...scene.options, sessionId: made, data })
          await scene.store().set(saved, newSession({ userId: 'alice', sessionCreated }, cookie(30 * DAY)))
          const store = limited()
          for (const id of [made, saved]) {
            await write(store, id)
            expect(await scene.expiry(id), name).to.be.closeTo(Date.now() + ABSOLUTE, MOMENT)
            expect((await scene.record(id)).sessionCreated, name).to.be.closeTo(Date.now(), MOMENT)
          }
          await store.destroyUser('alice')
        }
      })

      it('an option and a start that are no whole milliseconds, or a start that is no date, do no harm', async () => {
        const store = scene.store({ absoluteTtl: ABSOLUTE / 1000 + 1 / 7, ttl: 30 * 24 * 3600 })
        const created = Date.now() - HOUR
        for (const sessionCreated of [undefined, created + 0.5, created - 0.1]) {
          for (const maxAge of [30 * DAY, null]) {
            const id = newId()
            await scene.store().set(id, newSession({ userId: 'alice', sessionCreated }, cookie(maxAge)))
            await store.set(id, Object.assign(await load(store, id), { cart: [] }))
            const expires = await scene.expiry(id)
            expect(expires).to.be.closeTo((sessionCreated ?? Date.now()) + ABSOLUTE, MOMENT)
            expect((await scene.index('alice'))[id]).to.equal(expires)
          }
        }
        for (const sessionCreated of [-1e300, -1, Number.MIN_VALUE]) {
          const id = await scene.signIn('alice', { sessionCreated })
          const listed = await scene.store().userSessions('alice')
          expect(listed.filter((each) => each.sessionId === id)[0]?.created).to.deep.equal(new Date(0))
          expect(await store.get(id)).to.equal(null)
          const live = (await store.userSessions('alice')).map(({ sessionId }) => sessionId)
          expect(live).to.have.length(6).and.not.include(id)
          expect(await store.updateUser('alice', { role: 'admin' } as never)).to.equal(6)
          expect(await scene.record(id)).to.not.have.property('role')
          await store.set(id, newSession({ userId: 'alice', sessionCreated }))
          await scene.expectGone(id)
        }
      })

      it('repeated touches of one session object from before the option do not move its creation time', async () => {
        const id = await scene.signIn('alice')
        const store = limited()
        const session = await load(store, id)
        await store.touch(id, session)
        const { sessionCreated } = await scene.record(id)
        expect(sessionCreated).to.be.a('number')
        for (const work of ['touch', 'set'] as const) {
          while (Date.now() <= Number(sessionCreated) + 1) await sleep(1)
          session.cookie.maxAge = 30 * DAY
          await store[work](id, session)
          expect(await scene.record(id), work).to.include({ sessionCreated })
        }
      })

      it('the cookie of a session that a function lets live longer ends with the session, in loads and listings', async () => {
        const id = await oldSession(ABSOLUTE - HOUR)
        await updateSession({ ...scene.options, sessionId: id, data: { expires: inMs(30 * DAY) } })
        const store = limited()
        const loaded = fields(await store.get(id))
        const [listed] = await store.userSessions('alice')
        expect(Date.parse(String(loaded.cookie.expires))).to.be.closeTo(Date.now() + HOUR, MOMENT)
        expect(listed?.data.cookie.expires).to.equal(loaded.cookie.expires)
        expect(listed?.expires.toISOString()).to.equal(loaded.cookie.expires)
        await store.set(id, Object.assign(loaded, { cart: ['tea'] }))
        expect(await scene.expiry(id)).to.be.closeTo(Date.now() + HOUR, MOMENT)
      })

      it('the store neither loads, lists nor keeps a session that a function lets live longer, and a check finds it', async () => {
        const [over, nearly] = [await oldSession(ABSOLUTE - HOUR), await oldSession(ABSOLUTE - 2 * HOUR)]
        for (const sessionId of [over, nearly])
          await updateSession({ ...scene.options, sessionId, data: { expires: inMs(30 * DAY) } })
        expect(await scene.expiry(over)).to.be.closeTo(Date.now() + 30 * DAY, MOMENT)
        // Acts as if the session's hour had passed.
        const store = scene.store({ absoluteTtl: (ABSOLUTE - HOUR) / 1000 - 1 })
        expect(await store.get(over)).to.equal(null)
        const listed = await store.userSessions('alice')
        expect(listed.map(({ sessionId }) => sessionId)).to.deep.equal([nearly])
        expect((await store.all()).map(({ id }) => id)).to.deep.equal([nearly])
        const [ended, open] = [heard(), heard()]
        store.onRevoked(over, ended.listener)
        store.onRevoked(nearly, open.listener)
        expect(await store.checkRevoked()).to.equal(1)
        await nextTurn()
        expect(ended.events).to.deep.equal([{ handle: handleOf(over), userId: null, reason: 'missed' }])
        expect(open.events).to.deep.equal([])
        expect(listed[0]?.expires.getTime()).to.be.closeTo(Date.now() + HOUR, MOMENT)
        await store.updateUser('alice', { role: 'admin' } as never)
        expect(await scene.expiry(nearly)).to.be.closeTo(Date.now() + HOUR, MOMENT)
        expect(await store.destroyUser('alice')).to.be.at.least(1)
        expect(await scene.keys()).to.deep.equal([])
      })

      it('a session that a function made starts when the store first writes it', async () => {
        const sessionId = await createSession({
          ...scene.options,
          data: { userId: 'alice', expires: inMs(30 * DAY) },
        })
        const store = limited()
        const session = await load(store, sessionId)
        session.cart = []
        await store.set(sessionId, session)
        expect(await scene.expiry(sessionId)).to.be.closeTo(Date.now() + ABSOLUTE, MOMENT)
        expect(Date.parse((await scene.record(sessionId)).expires as string)).to.equal(
          await scene.expiry(sessionId),
        )
      })

      it('a session of another user under the same id gets a new creation time', async () => {
        const id = await oldSession(ABSOLUTE - HOUR)
        await limited().set(id, newSession({ userId: 'bob' }, cookie(30 * DAY)))
        await expectEnd(id, Date.now() + ABSOLUTE, 'bob')
      })

      it('without the option, records are exactly those of connect-redis, and keep an existing creation time', async () => {
        const id = newId()
        await scene.store().set(id, newSession({ userId: 'alice' }))
        expect(await scene.record(id)).to.have.all.keys('cookie', 'userId')
        const old = await oldSession(HOUR)
        const { sessionCreated } = await scene.record(old)
        const session = await load(scene.store(), old)
        session.cart = []
        await scene.store().set(old, session)
        expect(await scene.record(old)).to.include({ sessionCreated })
      })
    },
    ['server', 'cluster'],
  )

  function stoppedBeforeWrite(scene: Scene) {
    const { client, ...rest } = scene.stoppedBefore(theWrite)
    return { ...rest, store: scene.store({ client, absoluteTtl: ABSOLUTE / 1000 }) }
  }

  describe('over HTTP', () => {
    const db = useDatabase()
    const options = { rolling: true, cookie: { maxAge: 30 * DAY } }

    const regenerate = (req: Request) =>
      new Promise<void>((resolve, reject) =>
        req.session.regenerate((error) => (error ? reject(error) : resolve())),
      )

    function site(store: UserSessionStore) {
      return appWith(
        store,
        {
          '/sign-in/:user': async (req, res) => {
            await regenerate(req)
            sessionOf(req).userId = req.params.user as string
            res.send('in')
          },
          '/me': (req, res) => res.json(sessionOf(req).userId ?? null),
          '/save': (req, res) => {
            sessionOf(req).seen = Number(sessionOf(req).seen ?? 0) + 1
            res.json(sessionOf(req).userId ?? null)
          },
          '/copy': async (req, res) => {
            const { cookie: _, ...data } = { ...req.session } as Fields
            await regenerate(req)
            Object.assign(req.session, data)
            res.send('copied')
          },
          '/copy-without-start': async (req, res) => {
            const { userId } = sessionOf(req)
            await regenerate(req)
            await regenerate(req)
            sessionOf(req).userId = userId
            res.send('copied')
          },
          '/sign-out': async (req, res) => {
            await regenerate(req)
            sessionOf(req).said = 'goodbye'
            res.send('out')
          },
        },
        options,
      )
    }

    const cookieEnd = ({ headers }: { headers: Record<string, unknown> }) =>
      Date.parse(/Expires=([^;]+)/.exec(String(headers['set-cookie']))?.[1] ?? '')

    it('a session used all the time is dead after absoluteTtl, and so is its cookie', async () => {
      const app = site(db.store({ absoluteTtl: 3 }))
      const first = await browser(app).get('/sign-in/alice')
      // A browser would let go of the cookie at the whole second before the end.
      const use = (path: string) => browser(app).get(path).set('Cookie', cookieOf(first))
      const id = sessionIdIn(first) as string
      const end = Number((await db.record(id)).sessionCreated) + 3 * SECOND
      let requests = 0
      let sent = Date.now()
      for (let answer = first; answer.body !== null; answer = await use(requests % 2 ? '/me' : '/save')) {
        requests++
        expect(cookieEnd(answer)).to.be.within(end - 2 * SECOND, end)
        expect(sent, 'still alive').to.be.at.most(end)
        await sleep(60)
        sent = Date.now()
      }
      expect(Date.now(), 'dead').to.be.at.least(end - SECOND / 2)
      expect(requests).to.be.above(3)
      await sleep(Math.max(end - Date.now(), 0) + 5)
      expect(await db.raw(id)).to.equal(null)
      expect((await use('/me')).body).to.equal(null)
      expect(await db.store().userSessions('alice')).to.deep.equal([])
    })

    const cookieOf = ({ headers }: { headers: Record<string, unknown> }) =>
      String((headers['set-cookie'] as unknown as string[])[0]).split(';')[0] as string

    async function agedDevice(store: UserSessionStore) {
      const device = browser(site(store))
      const id = sessionIdIn(await device.get('/sign-in/alice')) as string
      await age(id, ABSOLUTE - HOUR)
      return device
    }

    /** Acts as if the session had been created that long ago. */
    async function age(id: string, ago: number): Promise<void> {
      const record = { ...(await db.record(id)), sessionCreated: Date.now() - ago }
      await db.client.set(db.sessionKey(id), JSON.stringify(record), { KEEPTTL: true } as never)
    }

    const limited = () => db.store({ absoluteTtl: ABSOLUTE / 1000 })

    for (const path of ['/copy', '/copy-without-start']) {
      it(`regenerating with data of the same user does not reset the start: ${path}`, async () => {
        const device = await agedDevice(limited())
        const end = Date.now() + HOUR
        for (let n = 0; n < 2; n++) {
          const answer = await device.get(path)
          const id = sessionIdIn(answer) as string
          expect(await db.expiry(id)).to.be.closeTo(end, MOMENT)
          await expectListed(db, id, 'alice')
          expect(cookieEnd(answer)).to.be.closeTo(end, MOMENT)
        }
      })
    }

    it('a sign-in as another user, or after a sign-out, gets a new creation time', async () => {
      const device = await agedDevice(limited())
      const bob = sessionIdIn(await device.get('/sign-in/bob')) as string
      expect(await db.expiry(bob)).to.be.closeTo(Date.now() + ABSOLUTE, MOMENT)

      const again = await agedDevice(limited())
      const out = sessionIdIn(await again.get('/sign-out')) as string
      expect(await db.expiry(out), 'an anonymous session is as old').to.be.closeTo(Date.now() + HOUR, MOMENT)
      const alice = sessionIdIn(await again.get('/sign-in/alice')) as string
      expect(await db.expiry(alice)).to.be.closeTo(Date.now() + ABSOLUTE, MOMENT)
    })

    it('a visitor who never sets a session gets no creation time', async () => {
      await browser(site(limited())).get('/me')
      expect(await db.keys()).to.deep.equal([])
    })
  })
})
