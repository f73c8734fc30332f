/** A response that stays open, such as server-sent events, is saved when it ends. That may be hours after its touch. */

import { createServer, get, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import type { Response } from 'express'
import { appWith, cookieFor, sessionOf } from '../support/app.ts'
import { atClock } from '../support/clock.ts'
import { HOUR, MINUTE, useDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { expectListed } from '../support/listed.ts'
import { type LoadedSession, load, newId, onEveryStage } from '../support/scene.ts'
import { newSession, usedCookie } from '../support/sessions.ts'

describe('A request that ends long after it began', () => {
  onEveryStage(
    (scene) => {
      /** On Cluster a save that meets another one may leave a raised entry: an eighth beyond a lifetime from now. */
      async function expiryOf(id: string): Promise<number> {
        if (scene.topology.name !== 'cluster') return scene.expectOneExpiry(id, 'alice')
        const [expires, index] = [await scene.expiry(id), await scene.index('alice')]
        expect(index[id]).to.be.within(expires, Date.now() + (HOUR * 9) / 8)
        return expires
      }

      for (const [name, ago] of [
        ['within the life of a session', 20 * MINUTE],
        ['after more than the life of a session', 2 * HOUR],
      ] as const) {
        for (const work of ['touch', 'set'] as const) {
          it(`does not move the expiry back: ${work}, ${name}`, async () => {
            const id = newId()
            await scene.store().set(id, newSession({ userId: 'alice' }, usedCookie(30 * MINUTE)))
            const store = scene.store()
            const stream = await atClock(-ago, async () => (await load(store, id)).touch() as LoadedSession)
            await scene.request(id, { cart: ['book'] })
            const session = await load(scene.store(), id)
            session.touch()
            await scene.store().set(id, session)
            const expires = await scene.expectOneExpiry(id, 'alice')
            if (work === 'set') stream.streamed = true
            await store[work](id, stream)
            // A save is a use, of the cookie alone too, which the index did not cover.
            expect(await expiryOf(id)).to.be.within(expires, Date.now() + HOUR)
            const record = await scene.record(id)
            expect(record).to.have.deep.property('cart', ['book'])
            if (work === 'set') expect(record).to.include({ streamed: true })
          })
        }
      }

      it('a maxAge that it changed itself holds, even if the session then ends sooner', async () => {
        const id = await scene.signIn('alice')
        const store = scene.store()
        const slow = await load(store, id)
        const other = await load(scene.store(), id)
        other.cookie.maxAge = HOUR
        await scene.store().touch(id, other)
        slow.cookie.maxAge = MINUTE
        await store.touch(id, slow)
        expect(await scene.expectOneExpiry(id, 'alice')).to.be.closeTo(Date.now() + MINUTE, 5000)
      })
    },
    ['server', 'cluster'],
  )

  describe('over HTTP', () => {
    const db = useDatabase()
    let server: Server

    afterEach(() => {
      server.close()
      server.closeAllConnections()
    })

    it('a stream that the server ends leaves the session as other requests have made it', async () => {
      const streams: Response[] = []
      const app = appWith(
        db.store(),
        {
          '/stream': (_req, res) => {
            streams.push(res.writeHead(200, { 'Content-Type': 'text/event-stream' }))
            res.write(': open\n\n')
          },
          '/use': (req, res) => res.json(sessionOf(req).userId ?? null),
        },
        // Then express-session touches a session when the headers go out, because they set the cookie.
        { rolling: true, cookie: { maxAge: HOUR } },
      )
      server = createServer(app).listen(0)
      const { port } = server.address() as AddressInfo
      const id = newId()
      await db.store().set(id, newSession({ userId: 'alice' }, usedCookie(10 * MINUTE)))
      const request = (path: string) =>
        new Promise<IncomingMessage>((resolve, reject) => {
          get({ port, path, headers: { cookie: cookieFor(id) } }, resolve).on('error', reject)
        })
      const stream = await request('/stream')
      const opened = Date.now()
      await eventually('another millisecond', () => Date.now() > opened + 5)
      ;(await request('/use')).resume()
      const expires = await eventually('the touch', async () => {
        const now = await db.expiry(id)
        return now > opened + HOUR && now
      })
      stream.resume()
      streams[0]?.end()
      await new Promise((resolve) => stream.once('end', resolve))
      // The save at its end, if express-session finds one due, is a use.
      expect(await db.expiry(id)).to.be.within(expires, Date.now() + HOUR)
      await expectListed(db, id, 'alice')
    })
  })
})
