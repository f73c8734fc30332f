/** The check of all sessions and indexes, while apps keep running. */
import { expect } from 'chai'
import { accessOf } from '../../src/api/functions.ts'
import { handleOf } from '../../src/session/handle.ts'
import { type Checked, checkSessions, type Problem } from '../../src/users/check.ts'
import { HOUR, useDatabase } from '../support/database.ts'
import type { TestClient } from '../support/hooks.ts'
import { type Call, pauseBefore, runs } from '../support/paused-client.ts'
import { pageScript, readScript } from '../support/scripts.ts'
import { newSession } from '../support/sessions.ts'

describe('A check of all sessions', () => {
  const db = useDatabase()

  async function check(
    client: TestClient = db.client,
    repair = false,
  ): Promise<Checked & { problems: Problem[] }> {
    const problems: Problem[] = []
    const access = accessOf({ ...db.options, client }, [])
    const onProblem = (problem: Problem) => void problems.push(problem)
    return { ...(await checkSessions(access, { repair, onProblem })), problems }
  }

  const signIn = (id: string, userId = 'eva') => db.store().set(id, newSession({ userId }))

  it('finds nothing among more sessions than one page of an index has, and anonymous ones', async () => {
    await Promise.all(Array.from({ length: 500 }, (_, n) => signIn(`s${n}`)))
    await db.store().set('anonymous', newSession())
    expect(await check()).to.deep.equal({ sessions: 501, users: 1, problems: [] })
  })

  it('finds one session among many that is not listed, and repairs it', async () => {
    await Promise.all(Array.from({ length: 300 }, (_, n) => signIn(`s${n}`)))
    await db.client.zRem(db.indexKey('eva'), 's77')
    const problem = { kind: 'unlisted', userId: 'eva', handle: handleOf('s77') }
    expect((await check(db.client, true)).problems).to.deep.equal([problem])
    expect((await check()).problems).to.deep.equal([])
  })

  it('does not report an entry whose time has passed', async () => {
    await signIn('s1')
    await db.client.zAdd(db.indexKey('eva'), { score: Date.now() - 1, value: 'ended' })
    expect((await check()).problems).to.deep.equal([])
  })

  /** Runs when the check has read a page of the index or a session, and not yet the other part. */
  async function meanwhile(
    choice: (call: Call) => boolean,
    change: () => Promise<unknown>,
  ): Promise<Problem[]> {
    const { client, reached, release } = pauseBefore(db.client, choice)
    const checking = check(client)
    await reached
    await change()
    release()
    return (await checking).problems
  }

  it('does not report a session as unlisted that is destroyed during the check', async () => {
    await signIn('s1')
    let pages = 0
    const secondPage = (call: Call) => runs(pageScript)(call) && ++pages === 2
    expect(await meanwhile(secondPage, () => db.store().destroy('s1'))).to.deep.equal([])
  })

  it('does not report an entry as stale whose session is destroyed during the check', async () => {
    await signIn('s1')
    expect(await meanwhile(runs(readScript), () => db.store().destroy('s1'))).to.deep.equal([])
  })

  it('reports the entry of a user who does not own the session, and never removes the session', async () => {
    await signIn('s1', 'ada')
    await signIn('s2')
    await db.client.zAdd(db.indexKey('eva'), { score: Date.now() + HOUR, value: 's1' })
    const problem = { kind: 'stale', userId: 'eva', handle: handleOf('s1') }
    expect((await check(db.client, true)).problems).to.deep.equal([problem])
    expect(Object.keys(await db.index('eva'))).to.deep.equal(['s2'])
    expect(await db.store().userSessions('ada')).to.have.length(1)
  })
})
