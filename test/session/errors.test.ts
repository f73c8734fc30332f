/** The errors of this package show no session data, no session id of others, and no text quoted by a parser. */
import { inspect } from 'node:util'
import { expect } from 'chai'
import * as functions from '../../src/index.ts'
import { CorruptSessionError, SessionConflictError } from '../../src/index.ts'
import { handleOf } from '../../src/session/handle.ts'
import { HOUR, inMs, rejection, useDatabase } from '../support/database.ts'
import { type Fields, newSession } from '../support/sessions.ts'

const secret = 'hunter2'

function hides(error: Error, ...secrets: string[]): void {
  const shown = [inspect(error, { depth: 10, showHidden: true }), JSON.stringify(error), String(error.cause)]
  for (const text of shown) for (const each of secrets) expect(text ?? '').to.not.include(each)
}

describe('An error about session data', () => {
  const db = useDatabase()
  const circular: Fields = { accessToken: secret }
  circular[secret] = circular
  class Leaky {
    toJSON() {
      return { [secret]: 10n }
    }
  }
  const unserializable: [what: string, data: Fields, reason: string][] = [
    ['an object that refers to itself', { [secret]: circular }, 'refers to itself'],
    ['a bigint', { accessToken: secret, amount: 10n }, 'bigint'],
    ['a bigint that toJSON gives', { leaky: new Leaky() }, 'bigint'],
  ]

  for (const [what, data, reason] of unserializable) {
    it(`shows nothing of data that JSON cannot hold: ${what}`, async () => {
      const own = { userId: 'eva', expires: inMs(HOUR), ...data }
      await functions.createSession({
        ...db.options,
        sessionId: 's1',
        data: { userId: 'eva', expires: inMs(HOUR) },
      })
      for (const work of [
        () => db.store().set('s2', newSession(data)),
        () => db.store().updateUser('eva', data as never),
        () => functions.createSession({ ...db.options, data: own }),
        () => functions.updateSession({ ...db.options, sessionId: 's1', data }),
      ]) {
        const error = await rejection(work())
        expect(error).to.be.instanceOf(TypeError).with.property('message').that.includes(reason)
        hides(error, secret)
      }
    })
  }

  it('shows nothing of a session that is no object, or has a senseless cookie', async () => {
    for (const session of [secret, [secret], { cookie: { expires: secret } }]) {
      hides(await rejection(db.store().set('s1', session as never)), secret)
    }
    for (const stringify of [() => ({ secret }) as never, async () => [secret] as never]) {
      const store = db.store({ serializer: { parse: JSON.parse, stringify } })
      hides(await rejection(store.set('s1', newSession())), secret)
    }
  })

  it('shows nothing of a record that is no JSON, which a SyntaxError quotes', async () => {
    await db.client.set(db.sessionKey('s1'), `{"token":${secret}}`)
    for (const work of [
      () => db.store().get('s1'),
      () => functions.readSession({ ...db.options, sessionId: 's1' }),
    ]) {
      const error = await rejection(work())
      expect(error).to.be.instanceOf(CorruptSessionError).with.property('key', db.sessionKey('s1'))
      expect(error.cause).to.be.instanceOf(SyntaxError)
      hides(error, secret, secret.slice(0, 4))
    }
  })
})

describe('An error about a session', () => {
  const db = useDatabase()
  const data = { userId: 'eva', expires: inMs(HOUR) }

  it('names a missing session by its handle', async () => {
    const error = await rejection(functions.updateSession({ ...db.options, sessionId: secret, data: {} }))
    expect(error).to.include({ code: 'SESSION_NOT_FOUND', handle: handleOf(secret) })
    expect(error.message).to.include(handleOf(secret))
    hides(error, secret)
  })

  it('names a session of another user by its handle, and the user that does not own it', async () => {
    await functions.createSession({ ...db.options, sessionId: secret, data })
    for (const work of [
      () => functions.createSession({ ...db.options, sessionId: secret, data: { ...data, userId: 'bob' } }),
      () => functions.updateSession({ ...db.options, sessionId: secret, data: { userId: 'bob' } }),
      () => db.store().updateUser('eva', { userId: 'bob' } as never),
    ]) {
      const error = await rejection(work())
      expect(error).to.include({ code: 'SESSION_USER', handle: handleOf(secret), userId: 'bob' })
      expect(error.message).to.include("'bob'")
      hides(error, secret)
    }
  })

  it('names no session if all sessions of a user are meant', async () => {
    await functions.createSession({ ...db.options, sessionId: secret, data })
    const error = await rejection(
      functions.updateUserSessions({ ...db.options, userId: 'eva', data: { userId: 'bob' } }),
    )
    expect(error).to.include({ code: 'SESSION_USER', handle: null, userId: 'bob' })
    hides(error, secret)
  })

  it('names a session that changes all the time by its handle', () => {
    const error = new SessionConflictError(secret, 3)
    expect(error).to.include({ code: 'SESSION_CONFLICT', handle: handleOf(secret) })
    hides(error, secret)
  })
})
