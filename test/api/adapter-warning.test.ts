/** The warning for a store without the adapter that its session library needs. */
import { expect } from 'chai'
import type { UserSessionStore } from '../../src/index.ts'
import { HOUR, useDatabase } from '../support/database.ts'
import { newSession } from '../support/sessions.ts'

/** Same as the sessions of `@fastify/session`. */
class Session {
  cookie = { originalMaxAge: HOUR, expires: new Date(Date.now() + HOUR) }
  get encryptedSessionId(): string {
    return 'encrypted'
  }
}

describe('A store without its adapter', () => {
  const db = useDatabase()
  const warnings: Error[] = []
  const listener = (warning: Error) => {
    if (warning.name === 'RedisUserSessionsWarning') warnings.push(warning)
  }
  before(() => process.on('warning', listener))
  after(() => process.off('warning', listener))
  beforeEach(() => warnings.splice(0))

  async function warningsOf(store: UserSessionStore, ...sessions: object[]): Promise<string[]> {
    for (const session of sessions) await store.set('s1', session as never)
    await new Promise((resolve) => setImmediate(resolve))
    return warnings.map(({ message }) => message)
  }

  it('warns once of @fastify/session', async () => {
    const [message, ...others] = await warningsOf(db.store(), new Session(), new Session())
    expect(message).to.include('@fastify/session').and.include('redis-user-sessions/fastify')
    expect(others).to.deep.equal([])
  })

  it('warns once of express-openid-connect', async () => {
    const payload = () => ({ header: {}, data: {}, cookie: { expires: Date.now() + HOUR, maxAge: HOUR } })
    const [message, ...others] = await warningsOf(db.store(), payload(), payload())
    expect(message).to.include('express-openid-connect').and.include('openidConnectStore')
    expect(others).to.deep.equal([])
  })

  it('does not warn of sessions of express-session, for any data', async () => {
    const sessions = [
      newSession(),
      newSession({ header: {}, data: {} }),
      newSession({ encryptedSessionId: 'an app may call anything so' }),
    ]
    expect(await warningsOf(db.store(), ...sessions)).to.deep.equal([])
  })
})
