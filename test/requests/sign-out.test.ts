/**
 * A sign-out by an empty user in the session: `''`, `false`, `null` or no property. The app may keep its user anywhere.
 */
import { expect } from 'chai'
import type { UserSessionStoreOptions } from '../../src/index.ts'
import { appWith, browser, sessionIdIn, sessionOf } from '../support/app.ts'
import { HOUR, rejection, useDatabase } from '../support/database.ts'
import { expectListed } from '../support/listed.ts'
import { type Fields, fields, newSession } from '../support/sessions.ts'

const nobodies: Record<string, (session: Fields, name: string) => void> = {
  'an empty string': (session, name) => Object.assign(session, { [name]: '' }),
  false: (session, name) => Object.assign(session, { [name]: false }),
  null: (session, name) => Object.assign(session, { [name]: null }),
  undefined: (session, name) => Object.assign(session, { [name]: undefined }),
  'a deletion': (session, name) => Reflect.deleteProperty(session, name),
}

/** Where an app keeps its user, with the matching option. */
const places: Record<string, { property: string; user: unknown; options: Partial<UserSessionStoreOptions> }> =
  {
    'session.userId': { property: 'userId', user: 'eva', options: {} },
    'Passport’s user': { property: 'passport', user: { user: 'eva' }, options: {} },
    'the option userId': {
      property: 'account',
      user: 'eva',
      options: { userId: (data) => fields(data).account as string | false },
    },
  }

describe('Signing out by writing an empty user', () => {
  const db = useDatabase()

  for (const [place, { property, user, options }] of Object.entries(places)) {
    for (const [name, signOut] of Object.entries(nobodies)) {
      for (const how of ['at the end of the request', 'by an explicit save'] as const) {
        it(`${place}, ${name}, ${how}: the session stays, anonymous`, async () => {
          const store = db.store(options)
          const app = appWith(
            store,
            {
              '/in': (req, res) => {
                Object.assign(req.session, { [property]: user, cart: ['tea'] })
                res.send('in')
              },
              '/out': (req, res) => {
                signOut(sessionOf(req), property)
                if (how === 'at the end of the request') return res.send('out')
                return req.session.save((error?: Error) => res.send(error?.message ?? 'out'))
              },
              '/': (req, res) => res.json([sessionOf(req)[property] || null, sessionOf(req).cart]),
            },
            { cookie: { maxAge: HOUR } },
          )
          const device = browser(app)
          const id = sessionIdIn(await device.get('/in')) as string
          await expectListed(db, id, 'eva')
          expect((await device.get('/out')).text).to.equal('out')
          expect((await device.get('/')).body).to.deep.equal([null, ['tea']])
          expect(await store.userSessions('eva')).to.deep.equal([])
          expect(await store.destroyUser('eva')).to.equal(0)
          expect(await db.keys(), 'the session, and no index').to.deep.equal([db.sessionKey(id)])
          expect((await db.record(id)).cookie).to.not.have.property('index')
          expect((await device.get('/')).body).to.deep.equal([null, ['tea']])
          await device.get('/in')
          await expectListed(db, id, 'eva')
        })
      }
    }
  }

  it('a new session with an empty user is anonymous from the start', async () => {
    const store = db.store()
    for (const userId of ['', false, null, undefined]) {
      await store.set('s1', newSession({ userId }))
      expect(await db.keys()).to.deep.equal([db.sessionKey('s1')])
      await store.destroy('s1')
    }
  })

  it('an empty userId is not Passport’s user: 0 is a user, and with null Passport’s user counts', async () => {
    const store = db.store()
    await store.set('zero', newSession({ userId: 0, passport: { user: 'eva' } }))
    await store.set('null', newSession({ userId: null, passport: { user: 'eva' } }))
    await store.set('empty', newSession({ userId: '', passport: { user: 'eva' } }))
    expect(Object.keys(await db.index('0'))).to.deep.equal(['zero'])
    expect(Object.keys(await db.index('eva'))).to.deep.equal(['null'])
    for (const id of ['zero', 'null', 'empty']) {
      const other = db.store()
      await other.set(id, Object.assign(fields(await other.get(id)), { seen: true }))
    }
    expect(Object.keys(await db.index('0'))).to.deep.equal(['zero'])
    expect(Object.keys(await db.index('eva'))).to.deep.equal(['null'])
  })

  it('an update by the functions does not sign anyone out, because that would change the owner', async () => {
    const store = db.store()
    await store.set('s1', newSession({ userId: 'eva' }))
    const before = await db.dump()
    for (const userId of ['', false, null]) {
      const error = await rejection(store.updateUser('eva', { userId } as never))
      expect(error).to.include({ code: 'SESSION_USER' })
      expect(await db.dump()).to.deep.equal(before)
    }
  })

  it('an empty user as an argument is a TypeError', async () => {
    const store = db.store()
    for (const nobody of ['', false, null, undefined]) {
      for (const work of [
        () => store.userSessions(nobody as never),
        () => store.destroyUser(nobody as never),
        () => store.destroyUserSession(nobody as never, 's1'),
        () => store.updateUser(nobody as never, { a: 1 } as never),
      ]) {
        expect(await rejection(work())).to.be.instanceOf(TypeError)
      }
    }
  })
})
