/** `regenerate` destroys the session that the request has loaded, whatever has become of it. It does not read it again. */
import { expect } from 'chai'
import type { Request } from 'express'
import type { SessionData } from 'express-session'
import { UserSessionStore } from '../../src/index.ts'
import { HOUR, SECOND } from '../support/database.ts'
import { watch } from '../support/paused-client.ts'
import { inflate, load, newId, onEveryStage } from '../support/scene.ts'
import { removeScript } from '../support/scripts.ts'
import { cookie, newSession } from '../support/sessions.ts'

describe('regenerate', () => {
  onEveryStage(
    (scene) => {
      const isCluster = () => scene.topology.name === 'cluster'

      async function requestOf(store: UserSessionStore, sessionID: string): Promise<Request> {
        const req = { sessionID, session: await load(store, sessionID), sessionStore: store }
        store.generate = (request) => {
          request.sessionID = newId()
          request.session = inflate(store, request.sessionID, newSession())
        }
        return req as unknown as Request
      }

      /** What other requests may do between the load and `regenerate`. */
      const meanwhile: Record<string, (id: string) => Promise<unknown>> = {
        'nothing happens': async () => {},
        'its data changes': (id) => scene.request(id, { cart: ['book'] }),
        'somebody signs in in it': (id) => scene.request(id, { userId: 'bob' }),
        'it is destroyed': (id) => scene.store().destroy(id),
        'its id is taken by a session of another user': async (id) => {
          await scene.store().destroy(id)
          await scene.signIn('bob', {}, id)
        },
      }

      for (const [what, happens] of Object.entries(meanwhile)) {
        for (const user of ['alice', undefined]) {
          if (user && what === 'somebody signs in in it') continue
          it(`${user ? 'of a user' : 'anonymous'}: ${what}`, async () => {
            const id = await scene.signIn(user)
            const store = scene.store()
            const req = await requestOf(store, id)
            await happens(id)
            await store.regenerate(req)
            expect(req.sessionID).to.not.equal(id)
            await scene.expectGone(id)
            expect(await scene.keys()).to.deep.equal([])
          })
        }
      }

      it('asks once for an anonymous session, and once for a user’s on one server', async () => {
        const { client, calls } = watch(scene.client)
        const store = scene.store({ client })
        for (const [user, many] of [
          [undefined, 1],
          ['alice', isCluster() ? 3 : 1],
        ] as const) {
          const req = await requestOf(store, await scene.signIn(user))
          calls.length = 0
          await store.regenerate(req)
          const sent = calls.filter(({ command }) => command !== 'eval')
          expect(sent, user).to.have.lengthOf(many)
        }
        expect(calls.some(({ args }) => args[0] === removeScript.sha1)).to.equal(true)
      })

      it('calls a destroy that a subclass overrides, and remembers nothing beyond it', async () => {
        const destroyed: string[] = []
        class Audited extends UserSessionStore {
          override async destroy(sessionId: string): Promise<void> {
            destroyed.push(sessionId)
            await scene.request(sessionId, { audited: true })
            await super.destroy(sessionId)
          }
        }
        const { client, calls } = watch(scene.client)
        const store = new Audited({ ...scene.options, client } as never)
        const id = await scene.signIn('alice')
        await store.regenerate(await requestOf(store, id))
        expect(destroyed).to.deep.equal([id])
        await scene.expectGone(id)
        await scene.signIn('alice', {}, id)
        calls.length = 0
        await UserSessionStore.prototype.destroy.call(store, id)
        expect(calls[0]?.command).to.equal('get')
        await scene.expectGone(id)
      })

      it('hands on the creation time, also in a subclass that keeps sessions under other ids', async () => {
        class Tenant extends UserSessionStore {
          override get = (sessionId: string) => super.get(`t1.${sessionId}`)
          override set = (sessionId: string, session: SessionData) => super.set(`t1.${sessionId}`, session)
          override destroy = (sessionId: string) => super.destroy(`t1.${sessionId}`)
        }
        const store = new Tenant({ ...scene.options, absoluteTtl: 100 } as never)
        const [id, sessionCreated] = [newId(), Date.now() - SECOND]
        await store.set(id, newSession({ userId: 'alice', sessionCreated }))
        const req = await requestOf(store, id)
        await store.regenerate(req)
        await store.set(req.sessionID, Object.assign(req.session, { userId: 'alice' }))
        await scene.expectGone(`t1.${id}`)
        expect(await scene.record(`t1.${req.sessionID}`)).to.include({ sessionCreated })
      })

      it('makes a session that can be touched, also after another object was saved under its id', async () => {
        const store = scene.store()
        const req = await requestOf(store, await scene.signIn('alice'))
        await store.regenerate(req)
        await store.set(req.sessionID, newSession({ userId: 'alice' }, cookie(10 * SECOND)))
        req.session.cookie.maxAge = HOUR
        await store.touch(req.sessionID, req.session)
        expect(await scene.expiry(req.sessionID)).to.be.closeTo(Date.now() + HOUR, 10 * SECOND)
      })
    },
    ['server', 'cluster'],
  )
})
