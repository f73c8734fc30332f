/** docs/migration.md, row by row: an app moves from connect-redis and back, and both versions run side by side. */
import { expect } from 'chai'
import { RedisStore } from 'connect-redis'
import type { Express } from 'express'
import request from 'supertest'
import type { UserSessionStore } from '../../src/index.ts'
import { appWith, cookieFor, type Routes, sessionIdIn, sessionOf } from '../support/app.ts'
import { atClock } from '../support/clock.ts'
import { HOUR, MINUTE, useDatabase } from '../support/database.ts'
import { expectListed } from '../support/listed.ts'
import { newSession, usedCookie } from '../support/sessions.ts'

const routes: Routes = {
  '/': (req, res) => res.json(req.session),
  '/sign-in': (req, res) => {
    Object.assign(req.session, { userId: 'eva', role: 'admin' })
    res.json(req.session)
  },
  '/cart': (req, res) => {
    sessionOf(req).cart = 'tea'
    res.json(req.session)
  },
  '/sign-out': (req, res) => {
    req.session.destroy(() => res.end())
  },
}

describe('Moving from connect-redis, as documented', () => {
  const db = useDatabase()
  let store: UserSessionStore
  let before: Express
  let after: Express
  /** A request of the old version waits here between loading its session and saving it. */
  let meanwhile: () => Promise<unknown>

  beforeEach(() => {
    store = db.store()
    meanwhile = async () => {}
    const options = { cookie: { maxAge: HOUR } }
    const slowly: Routes = {
      ...routes,
      '/slow-cart': async (req, res) => {
        sessionOf(req).cart = 'tea'
        await meanwhile()
        res.json(req.session)
      },
    }
    const old = new RedisStore({ client: db.client, prefix: db.prefixes.prefix })
    before = appWith(old as never, slowly, options)
    after = appWith(store, slowly, options)
  })

  /** A browser that a load balancer sends to either version of the app. */
  class Browser {
    id = ''
    #cookie = ''

    async get(app: Express, path: string) {
      const response = await request(app).get(path).set('Cookie', this.#cookie)
      const [cookie] = (response.headers['set-cookie'] as unknown as string[] | undefined) ?? []
      if (cookie) this.#cookie = cookie.split(';')[0] as string
      this.id = sessionIdIn(response) ?? this.id
      return response.body
    }

    async signedIn(app: Express) {
      await this.get(app, '/sign-in')
      return this
    }
  }

  const indexed = async () => Object.keys(await db.index('eva')).sort()

  it('the same cookies stay signed in: after moving, after going back, and after moving again', async () => {
    const browser = await new Browser().signedIn(before)
    for (const app of [after, before, after]) {
      expect(await browser.get(app, '/')).to.include({ userId: 'eva', role: 'admin' })
    }
    expect(await indexed()).to.deep.equal([browser.id])
  })

  it('sessions that were made after moving stay signed in after rolling back, and sign out there', async () => {
    const browser = await new Browser().signedIn(after)
    expect(await browser.get(before, '/cart')).to.include({ userId: 'eva', cart: 'tea' })
    await browser.get(before, '/sign-out')
    expect(await browser.get(before, '/')).to.not.have.property('userId')
  })

  it('index keys that stay in Redis after going back end with their sessions', async () => {
    const browser = await new Browser().signedIn(after)
    expect(await db.indexExpiry('eva')).to.equal(await expectListed(db, browser.id, 'eva'))
  })

  it('reindex finds every session of every user, of connect-redis and of its own', async () => {
    const browsers = await Promise.all(
      [before, after, before, after].map((app) => new Browser().signedIn(app)),
    )
    await new Browser().get(before, '/')
    const { indexed: count } = await store.reindex()
    expect(count).to.equal(4)
    expect(await indexed()).to.deep.equal(browsers.map(({ id }) => id).sort())
    const listed = await store.userSessions('eva')
    for (const { sessionId, expires } of listed) {
      expect(expires.getTime()).to.equal(await db.expiry(sessionId))
    }
  })

  it('both versions side by side: a user who alternates between them keeps the changes of both', async () => {
    const browser = await new Browser().signedIn(before)
    await browser.get(after, '/cart')
    expect(await browser.get(before, '/')).to.include({ userId: 'eva', cart: 'tea' })
    expect(await store.updateUser('eva', { role: 'member' } as never)).to.equal(1)
    expect(await browser.get(before, '/')).to.include({ role: 'member' })
    expect(await store.destroyUser('eva')).to.equal(1)
    for (const app of [before, after]) expect(await browser.get(app, '/')).to.not.have.property('userId')
  })

  describe('problems that the old version can still cause side by side', () => {
    it('a late save brings a session back, unindexed; reindex finds it, and signing out again ends it', async () => {
      const browser = await new Browser().signedIn(after)
      meanwhile = async () => expect(await store.destroyUser('eva')).to.equal(1)
      await browser.get(before, '/slow-cart')
      expect(await indexed()).to.deep.equal([])
      expect(await store.destroyUser('eva')).to.equal(0)
      expect(await store.get(browser.id)).to.include({ userId: 'eva' })
      await store.reindex()
      expect(await store.destroyUser('eva')).to.equal(1)
      expect(await browser.get(after, '/')).to.not.have.property('userId')
    })

    it('the same request in the new version brings nothing back', async () => {
      const browser = await new Browser().signedIn(after)
      meanwhile = () => store.destroyUser('eva')
      await browser.get(after, '/slow-cart')
      expect(await db.keys()).to.deep.equal([])
    })

    it('a late save undoes a change by a new process; repeating the change fixes it', async () => {
      const browser = await new Browser().signedIn(after)
      meanwhile = () => store.updateUser('eva', { role: 'member' } as never)
      await browser.get(before, '/slow-cart')
      expect(await db.record(browser.id)).to.include({ role: 'admin', cart: 'tea' })
      await meanwhile()
      expect(await db.record(browser.id)).to.include({ role: 'member', cart: 'tea' })
    })

    it('the same request in the new version keeps the change', async () => {
      const browser = await new Browser().signedIn(after)
      meanwhile = () => store.updateUser('eva', { role: 'member' } as never)
      await browser.get(after, '/slow-cart')
      expect(await db.record(browser.id)).to.include({ role: 'member', cart: 'tea' })
    })

    it('a sign-in is not listed, until its next request in a new process', async () => {
      const browser = await new Browser().signedIn(before)
      expect(await store.userSessions('eva')).to.deep.equal([])
      await browser.get(after, '/')
      expect((await store.userSessions('eva')).map(({ sessionId }) => sessionId)).to.deep.equal([browser.id])
    })

    it('a sign-in is not listed, until reindex', async () => {
      const browser = await new Browser().signedIn(before)
      await store.reindex()
      expect(await indexed()).to.deep.equal([browser.id])
    })

    describe('a touch moves the TTL alone', () => {
      const old = () => new RedisStore({ client: db.client, prefix: db.prefixes.prefix })

      /** The answer of a new process at this time, in ms since 1970. */
      const answeredAt = (time: number) =>
        atClock(time - Date.now(), async () => request(after).get('/').set('Cookie', cookieFor('s1')))

      /** Returns until when the index lists the session, in ms since 1970. */
      async function touchedByOld(): Promise<number> {
        await store.set('s1', newSession({ userId: 'eva' }, usedCookie(50 * MINUTE)))
        await old().touch('s1', newSession({ userId: 'eva' }))
        return (await db.index('eva')).s1 as number
      }

      it('the index entry is too early, and a request in a new process moves it', async () => {
        const early = await touchedByOld()
        expect(early).to.be.lessThan((await db.expiry('s1')) - 40 * MINUTE)
        await request(after).get('/').set('Cookie', cookieFor('s1'))
        await expectListed(db, 's1', 'eva')
      })

      it('new processes do not accept it after that time, though Redis has it', async () => {
        expect((await answeredAt((await touchedByOld()) - MINUTE)).body).to.include({ userId: 'eva' })
        const { body } = await answeredAt((await touchedByOld()) + MINUTE)
        expect(body).to.not.have.property('userId')
        expect(await old().get('s1')).to.include({ userId: 'eva' })
      })

      it('but do accept one that the old version has saved since', async () => {
        await store.set('s1', newSession({ userId: 'eva' }, usedCookie(50 * MINUTE)))
        const { s1: early } = await db.index('eva')
        const { body } = await request(before).get('/cart').set('Cookie', cookieFor('s1'))
        expect(body).to.include({ userId: 'eva' })
        expect((await answeredAt((early as number) + MINUTE)).body).to.include({ userId: 'eva' })
        await expectListed(db, 's1', 'eva')
      })
    })

    it('a session that the old version destroyed is not listed', async () => {
      const browser = await new Browser().signedIn(after)
      await browser.get(before, '/sign-out')
      expect(await store.userSessions('eva')).to.deep.equal([])
      expect(await db.keys()).to.deep.equal([])
    })
  })
})
