/** maxUserSessions: who goes first among many sessions, and that a sign-in asks Redis for no more than it needs. */
import { expect } from 'chai'
import { HOUR, MINUTE, useDatabase } from '../support/database.ts'
import { watch } from '../support/paused-client.ts'
import { cookie, newSession } from '../support/sessions.ts'

describe('maxUserSessions', () => {
  const db = useDatabase()
  const signIn = (id: string, maxAge: number, options = {}) =>
    db.store(options).set(id, newSession({ userId: 'eva' }, cookie(maxAge)))

  it('of many sessions, in whatever order Redis has them, those that expire soonest go', async () => {
    const ids = Array.from({ length: 150 }, (_, n) => `s${n}`)
    const shuffled = ids.map((_, n) => (n * 67) % ids.length)
    await Promise.all(shuffled.map((n) => signIn(`s${n}`, HOUR + n * MINUTE)))
    await signIn('new', MINUTE, { maxUserSessions: 141 })
    expect(Object.keys(await db.index('eva'))).to.have.members([...ids.slice(10), 'new'])
  })

  it('a sign-in below the limit evicts nothing, and one at the limit asks for one eviction only', async () => {
    const { client, calls } = watch(db.client)
    const limited = { client, maxUserSessions: 3 }
    const steps: number[] = []
    for (const id of ['s1', 's2', 's3', 's4', 's5']) {
      await signIn(id, HOUR + steps.length * MINUTE, limited)
      steps.push(calls.filter(({ command }) => command === 'evalSha').length)
      calls.length = 0
    }
    expect(steps, 'write, page, read; then evict').to.deep.equal([3, 3, 3, 4, 4])
    expect(Object.keys(await db.index('eva'))).to.have.members(['s3', 's4', 's5'])
  })
})
