/** maxUserSessions: which of many sessions are evicted, and that a sign-in sends no more commands than needed. */
import { expect } from 'chai'
import { HOUR, MINUTE, useDatabase } from '../support/database.ts'
import { type Call, pauseBefore, runs, watch } from '../support/paused-client.ts'
import { evictScript } from '../support/scripts.ts'
import { cookie, newSession } from '../support/sessions.ts'

describe('maxUserSessions', () => {
  const db = useDatabase()
  const signIn = (id: string, maxAge: number, options = {}) =>
    db.store(options).set(id, newSession({ userId: 'eva' }, cookie(maxAge)))

  /** Sign-ins in another order than their expiry. There are so many that Redis keeps them in its own order. */
  async function manySignedIn(): Promise<string[]> {
    const ids = Array.from({ length: 150 }, (_, n) => `s${n}`)
    const shuffled = ids.map((_, n) => (n * 67) % ids.length)
    await Promise.all(shuffled.map((n) => signIn(`s${n}`, HOUR + n * MINUTE)))
    return ids
  }

  it('evicts the sessions that expire soonest, for any order of many sessions in Redis', async () => {
    const ids = await manySignedIn()
    await signIn('new', MINUTE, { maxUserSessions: 141 })
    expect(Object.keys(await db.index('eva'))).to.have.members([...ids.slice(10), 'new'])
  })

  it('before those go the ones that someone on a Cluster has begun to evict, however long they live', async () => {
    const ids = await manySignedIn()
    const scores = await db.index('eva')
    for (const id of ids.slice(-10)) {
      await db.client.zAdd(db.indexKey('eva'), { value: id, score: -(scores[id] as number) })
    }
    await signIn('new', MINUTE, { maxUserSessions: 141 })
    expect(Object.keys(await db.index('eva'))).to.have.members([...ids.slice(0, -10), 'new'])
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

  it('a sign-in that finds no more too many asks for no further eviction', async () => {
    const ids = ['s1', 's2', 's3', 's4']
    for (const [n, id] of ids.entries()) await signIn(id, HOUR + n * MINUTE)
    const anEviction = (call: Call) => call.command === 'evalSha' && runs(evictScript)(call)
    const { client, calls, reached, release } = pauseBefore(db.client, anEviction)
    const signing = signIn('s5', HOUR, { client, maxUserSessions: 3 })
    await reached
    for (const id of ['s3', 's4']) await db.store().destroy(id)
    release()
    await signing
    expect(calls.filter(anEviction)).to.have.lengthOf(1)
    expect(Object.keys(await db.index('eva'))).to.have.members(['s1', 's2', 's5'])
  })
})
