/**
 * What both implementations of the records promise, one server and Cluster; and of Cluster's ordered steps how many there are
 * and what someone else does between two of them.
 */
import { expect } from 'chai'
import { Keys } from '../../src/redis/keys.ts'
import type { Eviction, Removal, Seen, Write } from '../../src/redis/records.ts'
import { recordsOn } from '../../src/redis/records-on.ts'
import { lowerScript, raiseScript, type Script, writeScript } from '../../src/redis/scripts.ts'
import { HOUR, rejection } from '../support/database.ts'
import { type Call, ClientDied, dieAfter, pauseBefore, runs, watch } from '../support/paused-client.ts'
import { nth, onEveryStage, type Scene } from '../support/scene.ts'
import { newSession } from '../support/sessions.ts'
import type { AnyClient } from '../support/topologies.ts'

const sooner = Date.now() + HOUR
const soon = sooner + HOUR
const later = soon + HOUR
const latest = later + HOUR

/** The first sending of a script, and not its second, with the source, to a server that does not know it. */
const first =
  (script: Script) =>
  (call: Call): boolean =>
    call.command === 'evalSha' && runs(script)(call)

function help(scene: Scene) {
  const on = (client: AnyClient) =>
    recordsOn(client, new Keys(scene.prefixes.prefix, scene.prefixes.userPrefix))
  const records = () => on(scene.client)
  const aWrite = (changes: Partial<Write> = {}): Write => ({
    ...{ sessionId: 's1', expected: null, record: 'r1', splice: null, expires: soon },
    ...{ keepTtl: false, owner: 'alice', previousOwner: null },
    ...changes,
  })
  const write = (changes: Partial<Write> = {}, client = scene.client) => on(client).write(aWrite(changes))
  /** Of a session that alice has. */
  const update = (changes: Partial<Write>, client = scene.client) =>
    write({ expected: 'r1', record: 'r2', previousOwner: 'alice', ...changes }, client)
  const read = (sessionIds: string[], client = scene.client) => on(client).read(sessionIds)
  const remove = (changes: Partial<Removal> = {}) =>
    records().remove({ sessionId: 's1', expected: 'r1', owners: ['alice'], ...changes })
  const evict = (limit: number, changes: Partial<Eviction> = {}) =>
    records().evict('alice', { sessionId: 's1', expected: 'r1', owners: ['alice'], limit, ...changes })
  const seen = (sessionId: string, raw: string | null, his: boolean, score: number | null = null): Seen => ({
    ...{ sessionId, raw, his, score },
  })
  const store = (sessionId: string, raw: string, expires: number) =>
    scene.client.set(scene.sessionKey(sessionId), raw, { PXAT: expires })
  const list = (userId: string, sessionId: string, score: number) =>
    scene.client.zAdd(scene.indexKey(userId), { value: sessionId, score })

  async function expectState(record: string | null, expires: number | null, index: object): Promise<void> {
    expect(await scene.client.get(scene.sessionKey('s1'))).to.equal(record)
    if (expires !== null) expect(await scene.expiry('s1')).to.equal(expires)
    expect(await scene.index('alice'), 'the index of alice').to.deep.equal(index)
  }

  /** How many commands the work takes. */
  async function commands(work: (client: AnyClient) => Promise<unknown>): Promise<number> {
    const { client, calls } = watch(scene.client)
    await work(client)
    return calls.filter(({ command }) => command === 'evalSha').length
  }

  return { records, write, update, read, remove, evict, seen, store, list, expectState, commands }
}

describe('The records', () => {
  onEveryStage(
    (scene) => {
      const { records, write, update, read, remove, evict, seen, store, list, expectState } = help(scene)

      it('a write makes a session, and lists it under its expiry', async () => {
        expect(await write()).to.deep.equal({ done: true })
        await expectState('r1', soon, { s1: soon })
        expect(await scene.client.pExpireTime(scene.indexKey('alice'))).to.equal(soon)
      })

      it('a write where another record is, or none, says so and lists nothing', async () => {
        expect(await update({})).to.deep.equal({ done: false, current: null })
        await expectState(null, null, {})
        await write()
        expect(await write({ record: 'r2', owner: 'bob' })).to.deep.equal({ done: false, current: 'r1' })
        expect(await update({ expected: 'r0', expires: sooner })).to.deep.equal({
          done: false,
          current: 'r1',
        })
        await expectState('r1', soon, { s1: soon })
        expect(await scene.index('bob')).to.deep.equal({})
      })

      it('a write that keeps the TTL keeps it in the index too, and gives one where there is none', async () => {
        await write()
        expect(await update({ keepTtl: true, expires: latest })).to.deep.equal({ done: true })
        await expectState('r2', soon, { s1: soon })
        await scene.client.persist(scene.sessionKey('s1'))
        await update({ expected: 'r2', record: 'r3', keepTtl: true, expires: latest })
        await expectState('r3', latest, { s1: latest })
      })

      it('a write moves the entry along, to a later or an earlier end', async () => {
        await write()
        for (const [expected, record, expires] of [
          ['r1', 'r2', latest],
          ['r2', 'r3', sooner],
          ['r3', 'r3', later],
          ['r3', 'r4', later],
        ] as const) {
          expect(await update({ expected, record, expires })).to.deep.equal({ done: true })
          await expectState(record, expires, { s1: expires })
        }
      })

      it('a write gives a session to another user, or to nobody', async () => {
        await write()
        expect(await update({ owner: 'bob' })).to.deep.equal({ done: true })
        await expectState('r2', soon, {})
        expect(await scene.index('bob')).to.deep.equal({ s1: soon })
        const nobody = { expected: 'r2', record: 'r3', owner: null, previousOwner: 'bob' }
        expect(await write({ ...nobody, expected: 'r0' })).to.deep.equal({ done: false, current: 'r2' })
        expect(await scene.index('bob')).to.deep.equal({ s1: soon })
        expect(await write(nobody)).to.deep.equal({ done: true })
        await expectState('r3', soon, {})
        expect(await scene.keys()).to.deep.equal([scene.sessionKey('s1')])
      })

      it('a removal deletes the expected record, with its entries, and no other', async () => {
        await write()
        expect(await remove({ expected: 'r0' })).to.deep.equal({ done: false, current: 'r1' })
        await expectState('r1', soon, { s1: soon })
        expect(await remove()).to.deep.equal({ done: true })
        expect(await scene.keys()).to.deep.equal([])
        await list('alice', 's1', soon)
        expect(await remove()).to.deep.equal({ done: false, current: null })
        expect(await scene.keys()).to.deep.equal([])
      })

      it('an eviction deletes while there are more than the limit', async () => {
        await write()
        await write({ sessionId: 's2', expires: later })
        expect(await evict(2)).to.equal(null)
        expect(await evict(1, { sessionId: 's3' })).to.deep.equal({ done: false, current: null })
        await expectState('r1', soon, { s1: soon, s2: later })
        expect(await evict(1, { expected: 'r0' })).to.deep.equal({ done: false, current: 'r1' })
        expect(await evict(1)).to.deep.equal({ done: true })
        await expectState(null, null, { s2: later })
      })

      it('reconcile lists what is his and removes what is not, and tells what has changed since', async () => {
        const all = ['his', 'others', 'gone', 'new', 'newOnes', 'endless']
        for (const id of all) await list('alice', id, soon)
        await store('his', 'r1', later)
        await store('unlisted', 'r1', later)
        await store('others', 'r1', later)
        await store('new', 'r2', later)
        await store('newOnes', 'r2', soon)
        await scene.client.set(scene.sessionKey('endless'), 'r1')
        const changed = await records().reconcile('alice', [
          seen('new', 'r1', true, soon),
          seen('his', 'r1', true, soon),
          seen('unlisted', 'r1', true),
          seen('others', 'r1', false, soon),
          seen('gone', null, false, soon),
          seen('newOnes', 'r1', false, soon),
          seen('endless', 'r1', true, soon),
        ])
        expect(changed).to.deep.equal(['new', 'newOnes'])
        expect(await scene.index('alice')).to.deep.equal({
          ...{ his: later, unlisted: later, endless: soon },
          ...{ new: soon, newOnes: soon },
        })
      })

      it('read tells of each session once, and in order, however many are asked for', async () => {
        const ids = Array.from({ length: 450 }, (_, n) => `s${n}`)
        for (let n = 0; n < ids.length; n += 100) await store(`s${n}`, `r${n}`, soon + n)
        expect(await read(ids)).to.deep.equal(
          ids.map((_, n) => {
            const isLive = n % 100 === 0
            return { raw: isLive ? `r${n}` : null, foreign: false, expires: isLive ? soon + n : null }
          }),
        )
      })

      it('lists tells whether an index lists a session', async () => {
        await list('alice', 's1', soon)
        const asked = [
          records().lists('alice', 's1'),
          records().lists('alice', 's2'),
          records().lists('bob', 's1'),
        ]
        expect(await Promise.all(asked)).to.deep.equal([true, false, false])
      })
    },
    ['server', 'cluster'],
  )
})

describe('The records on one server', () => {
  onEveryStage(
    (scene) => {
      const { read, commands } = help(scene)

      it('are read two hundred in a command, so that others need not wait, and none without any', async () => {
        const ids = Array.from({ length: 400 }, (_, n) => `s${n}`)
        for (const [count, expected] of [
          [0, 0],
          [200, 1],
          [201, 2],
          [400, 2],
        ] as const) {
          expect(await commands((client) => read(ids.slice(0, count), client)), `of ${count}`).to.equal(
            expected,
          )
        }
      })
    },
    ['server'],
  )
})

describe('The records on Cluster, step by step', () => {
  onEveryStage(
    (scene) => {
      const { records, write, update, remove, evict, seen, store, list, expectState, commands } = help(scene)

      it('take no more steps than each write needs', async () => {
        const steps: Record<string, number> = {}
        steps.create = await commands((client) => write({}, client))
        steps.raise = await commands((client) => update({ expires: later }, client))
        steps.keep = await commands((client) =>
          update({ expected: 'r2', record: 'r3', keepTtl: true }, client),
        )
        steps.raiseSame = await commands((client) =>
          update({ expected: 'r3', record: 'r3', expires: latest }, client),
        )
        steps.lower = await commands((client) =>
          update({ expected: 'r3', record: 'r4', expires: soon }, client),
        )
        steps.same = await commands((client) =>
          update({ expected: 'r4', record: 'r4b', expires: soon }, client),
        )
        steps.move = await commands((client) =>
          update({ expected: 'r4b', record: 'r5', owner: 'bob' }, client),
        )
        steps.refused = await commands((client) =>
          write({ expected: 'r0', owner: null, previousOwner: 'bob' }, client),
        )
        expect(steps).to.deep.equal({
          ...{ create: 4, raise: 2, keep: 3, raiseSame: 4 },
          ...{ lower: 5, same: 4, move: 6, refused: 1 },
        })
      })

      it('an entry has half a millisecond more until its session is known to have been written', async () => {
        const { client, reached, release } = pauseBefore(scene.client, first(writeScript))
        const writing = write({}, client)
        await reached
        await expectState(null, null, { s1: soon + 0.5 })
        release()
        await writing
        await expectState('r1', soon, { s1: soon })
      })

      it('a stale entry of a session that is gone does not outlive the write that finds that out', async () => {
        await list('alice', 's1', latest)
        expect(await update({})).to.deep.equal({ done: false, current: null })
        expect(await scene.keys()).to.deep.equal([])
      })

      it('a TTL that somebody raises before a write that keeps it is that of the entry too', async () => {
        await write()
        const { client, reached, release } = pauseBefore(scene.client, first(writeScript))
        const writing = update({ keepTtl: true }, client)
        await reached
        await scene.client.pExpireAt(scene.sessionKey('s1'), later)
        release()
        await writing
        await expectState('r2', later, { s1: later })
      })

      it('a revocation before the entry is confirmed leaves none', async () => {
        const { client, reached, release } = pauseBefore(scene.client, nth(2, first(raiseScript)))
        const writing = write({}, client)
        await reached
        expect(await remove()).to.deep.equal({ done: true })
        release()
        await writing
        expect(await scene.keys()).to.deep.equal([])
      })

      it('an earlier end before the entry is confirmed is that of the entry', async () => {
        const { client, reached, release } = pauseBefore(scene.client, nth(2, first(raiseScript)))
        const writing = write({}, client)
        await reached
        await update({ expires: sooner })
        release()
        await writing
        await expectState('r2', sooner, { s1: sooner })
      })

      /** A write that is stopped where it lowers its entry, because the session was shortened before; resolves to what ends it. */
      const stoppedLowering = async () => {
        const earlier = pauseBefore(scene.client, nth(2, first(raiseScript)))
        const lowering = pauseBefore(earlier.client, first(lowerScript))
        const writing = write({ expires: latest }, lowering.client)
        await earlier.reached
        await update({ expires: sooner })
        earlier.release()
        await lowering.reached
        return async () => {
          lowering.release()
          await writing
        }
      }

      it('and so is one that is later again, while the entry is being lowered', async () => {
        const finish = await stoppedLowering()
        await update({ expected: 'r2', record: 'r3', expires: later })
        await finish()
        await expectState('r3', later, { s1: later })
      })

      it('and so is one that was made later again by somebody who then died', async () => {
        const finish = await stoppedLowering()
        const dying = dieAfter(scene.client, first(writeScript))
        const error = await rejection(update({ expected: 'r2', record: 'r3', expires: later }, dying.client))
        expect(error).to.be.instanceOf(ClientDied)
        await finish()
        await expectState('r3', later, { s1: later })
      })

      it('and a revocation while the entry is being lowered leaves none', async () => {
        const finish = await stoppedLowering()
        expect(await remove({ expected: 'r2' })).to.deep.equal({ done: true })
        await finish()
        expect(await scene.keys()).to.deep.equal([])
      })

      it('a session that loses its TTL before its entry is confirmed stays listed', async () => {
        const { client, reached, release } = pauseBefore(scene.client, nth(2, first(raiseScript)))
        const writing = write({}, client)
        await reached
        await scene.client.persist(scene.sessionKey('s1'))
        release()
        await writing
        await expectState('r1', -1, { s1: soon })
      })

      it('a session without a TTL that has changed since is told of, and not listed without an end', async () => {
        await scene.client.set(scene.sessionKey('s1'), 'r2')
        await list('alice', 's1', soon)
        expect(await records().reconcile('alice', [seen('s1', 'r1', false, soon)])).to.deep.equal(['s1'])
      })

      it('an eviction leaves a session that the index does not list', async () => {
        await write({ sessionId: 's2' })
        await write({ sessionId: 's3' })
        await store('s1', 'r1', soon)
        expect(await evict(1)).to.deep.equal({ done: false, current: null })
        expect(await scene.lives('s1')).to.equal(true)
      })

      it('a listing leaves the mark of a session that is being evicted, and tells its true expiry', async () => {
        const id = await scene.signIn('alice')
        const expires = await scene.expiry(id)
        await list('alice', id, -expires)
        const [listed] = await scene.store().userSessions('alice')
        expect(listed?.expires.getTime()).to.equal(expires)
        expect(await scene.index('alice')).to.deep.equal({ [id]: -expires })
      })

      it('a sign-in beyond the limit first ends what is being evicted already', async () => {
        const [first, second] = [await scene.signIn('alice'), await scene.signIn('alice')]
        await list('alice', second, -(await scene.expiry(second)))
        await scene.client.pExpireAt(scene.sessionKey(first), sooner - HOUR / 2)
        await scene.store().userSessions('alice')
        await scene.store({ maxUserSessions: 2 }).set('third', newSession({ userId: 'alice' }))
        expect(Object.keys(await scene.index('alice'))).to.have.members([first, 'third'])
        expect([await scene.lives(first), await scene.lives(second)]).to.deep.equal([true, false])
      })

      it('an eviction that died over its session is ended by the next, and does not count', async () => {
        await write()
        await write({ sessionId: 's2', expires: later })
        await list('alice', 's1', -soon)
        expect(await evict(1, { sessionId: 's2' })).to.equal(null)
        expect(await evict(5)).to.deep.equal({ done: true })
        await expectState(null, null, { s2: later })
      })
    },
    ['cluster'],
  )
})
