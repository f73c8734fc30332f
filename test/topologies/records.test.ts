/** The promises of both implementations of the records: one server, and Cluster. */
import { expect } from 'chai'
import type { Seen, Write } from '../../src/redis/records.ts'
import { HOUR } from '../support/database.ts'
import { type Call, runs, watch } from '../support/paused-client.ts'
import { onEveryStage } from '../support/scene.ts'
import { replaceScript } from '../support/scripts.ts'
import { recordOf, recordsOf, type State, writeOf } from '../support/states.ts'
import type { AnyClient } from '../support/topologies.ts'

const sooner = Date.now() + HOUR
const soon = sooner + HOUR
const later = soon + HOUR
const latest = later + HOUR

const made: State = { n: 1, user: 'alice', until: soon }

function setsIfEqual({ command, args }: Call): boolean {
  return command === 'set' && (args[2] as { condition?: string }).condition === 'IFEQ'
}

describe('The records', () => {
  onEveryStage(
    (scene) => {
      const records = (client = scene.client) => recordsOf(scene, client)
      const write = (from: State | null, to: State, more: Partial<Write> = {}, client = scene.client) =>
        records(client).write({ ...writeOf(from, to), ...more })
      const remove = (owner: string | null, ...expected: (State | null)[]) =>
        records().remove(
          owner,
          expected.map((state, n) => ({ sessionId: `s${n + 1}`, expected: state && recordOf(state) })),
        )
      const evict = (limit: number, sessionId = 's1', state = made) =>
        records().evict('alice', { sessionId, expected: recordOf(state) }, limit)
      const list = (userId: string, sessionId: string, score: number) =>
        scene.client.zAdd(scene.indexKey(userId), { value: sessionId, score })
      const store = (sessionId: string, state: State, expires = state.until) =>
        scene.client.set(scene.sessionKey(sessionId), recordOf(state), {
          expiration: { type: 'PXAT', value: expires },
        })

      async function expectState(state: State | null, index: object, user = 'alice'): Promise<void> {
        const record = state && recordOf(state)
        expect(await scene.client.get(scene.sessionKey('s1'))).to.equal(record)
        if (state) expect(await scene.expiry('s1')).to.equal(state.until)
        expect(await scene.index(user), `the index of ${user}`).to.deep.equal(index)
      }

      /** The commands that the work sends, without a SET … IFEQ that the server does not support. */
      async function commands(work: (client: AnyClient) => Promise<unknown>): Promise<string[]> {
        const { client, calls } = watch(scene.client)
        await work(client)
        const replaces = calls.some(runs(replaceScript))
        return calls.filter((call) => !(replaces && setsIfEqual(call))).map(({ command }) => command)
      }

      describe('a write', () => {
        it('makes a session, and lists it until its end', async () => {
          expect(await write(null, made)).to.deep.equal({ done: true })
          await expectState(made, { s1: soon })
          expect(await scene.client.pExpireTime(scene.indexKey('alice'))).to.equal(soon)
        })

        it('may list a session for longer than it lives, and the index lives as long', async () => {
          await write(null, made, { expiry: { at: sooner } })
          expect(await scene.expiry('s1')).to.equal(sooner)
          expect(await scene.index('alice')).to.deep.equal({ s1: soon })
          expect(await scene.client.pExpireTime(scene.indexKey('alice'))).to.equal(soon)
        })

        it('returns the other record or none if the expected one is not there, and changes nothing', async () => {
          const [changed, bobs]: State[] = [
            { ...made, n: 2, until: later },
            { n: 3, user: 'bob', until: later },
          ]
          expect(await write(made, changed as State)).to.deep.equal({ done: false, current: null })
          await expectState(null, {})
          await write(null, made)
          for (const from of [null, { ...made, n: 0 }]) {
            for (const to of [{ ...made, n: 5 }, bobs, { n: 4, user: null, until: soon }] as State[]) {
              expect(await write(from, to)).to.deep.equal({ done: false, current: recordOf(made) })
              await expectState(made, { s1: soon })
              await expectState(made, {}, 'bob')
            }
          }
          expect(await scene.client.pExpireTime(scene.indexKey('alice'))).to.equal(soon)
          expect(await write({ ...made, n: 0 }, changed as State)).to.have.property('done', false)
          await expectState(made, { s1: soon })
        })

        it('moves the entry along, to a later or an earlier end', async () => {
          await write(null, made)
          let before = made
          for (const [n, until] of [latest, sooner, later, later].entries()) {
            const after = { ...made, n: n + 2, until }
            expect(await write(before, after)).to.deep.equal({ done: true })
            await expectState(after, { s1: until })
            expect(await scene.client.pExpireTime(scene.indexKey('alice'))).to.equal(until)
            before = after
          }
        })

        it('moves a session to another user, or makes it anonymous', async () => {
          await write(null, made)
          const bobs = { ...made, n: 2, user: 'bob' }
          expect(await write(made, bobs)).to.deep.equal({ done: true })
          await expectState(bobs, {})
          expect(await scene.index('bob')).to.deep.equal({ s1: soon })
          const nobodys = { ...made, n: 3, user: null }
          expect(await write({ ...bobs, n: 0 }, nobodys)).to.deep.equal({
            done: false,
            current: recordOf(bobs),
          })
          expect(await scene.index('bob')).to.deep.equal({ s1: soon })
          expect(await write(bobs, nobodys)).to.deep.equal({ done: true })
          await expectState(nobodys, {}, 'bob')
          expect(await scene.keys()).to.deep.equal([scene.sessionKey('s1')])
          expect(await write(nobodys, made)).to.deep.equal({ done: true })
          await expectState(made, { s1: soon })
        })

        it('that moves no entry touches one key only, by one command', async () => {
          await write(null, made)
          await scene.client.del(scene.indexKey('alice'))
          const changed = { ...made, n: 2 }
          expect(await commands((client) => write(made, changed, {}, client))).to.have.length(1)
          await expectState(changed, {})
        })

        it('of an anonymous session touches one key only, by one command', async () => {
          const nobodys = { ...made, user: null }
          expect(await commands((client) => write(null, nobodys, {}, client))).to.deep.equal(['set'])
          const changed = { ...nobodys, n: 2, until: later }
          expect(await commands((client) => write(nobodys, changed, {}, client))).to.have.length(1)
          expect(await write(null, nobodys)).to.deep.equal({ done: false, current: recordOf(changed) })
          expect(await write(nobodys, nobodys)).to.deep.equal({ done: false, current: recordOf(changed) })
          await expectState(changed, {})
          expect(await scene.keys()).to.deep.equal([scene.sessionKey('s1')])
        })

        it('that keeps the TTL keeps the one that touches have set, up to an end', async () => {
          await write(null, made, { expiry: { at: sooner } })
          const touched = sooner + HOUR / 2
          await records().touch('s1', touched)
          const changed = [2, 3, 4, 5].map((n) => ({ ...made, n })) as [State, State, State, State]
          const keep = (end: number) => ({ expiry: { keep: true as const, end, else: soon } })
          expect(await write(made, changed[0], keep(latest))).to.deep.equal({ done: true })
          expect(await scene.expiry('s1')).to.equal(touched)
          await write(changed[0], changed[1], keep(sooner))
          expect(await scene.expiry('s1')).to.equal(sooner)
          const moved = { ...changed[2], until: latest }
          await write(changed[1], moved, keep(latest))
          expect(await scene.expiry('s1')).to.equal(sooner)
          expect(await scene.index('alice')).to.deep.equal({ s1: latest })
          await scene.client.persist(scene.sessionKey('s1'))
          await write(moved, { ...changed[3], until: latest }, keep(latest))
          expect(await scene.expiry('s1')).to.equal(soon)
        })

        it('of a sign-in beyond the limit is refused, and changes nothing', async () => {
          await list('alice', 'other', later)
          expect(await write(null, made, { limit: 1 })).to.deep.equal({
            done: false,
            current: null,
            full: true,
          })
          await expectState(null, { other: later })
          expect(await write(null, made, { limit: 2 })).to.deep.equal({ done: true })
          const again = { ...made, n: 2, until: later }
          expect(await write(made, again, { limit: 2 })).to.deep.equal({ done: true })
          await expectState(again, { s1: later, other: later })
        })

        it('of a sign-in does not count ended sessions', async () => {
          await list('alice', 'other', Date.now() - 1)
          expect(await write(null, made, { limit: 1 })).to.deep.equal({ done: true })
          await expectState(made, { s1: soon })
        })
      })

      describe('a touch', () => {
        it('moves the TTL to a later time, by one plain command, and nothing else', async () => {
          await write(null, made, { expiry: { at: sooner } })
          const touched = sooner + HOUR / 2
          expect(await commands((client) => records(client).touch('s1', touched))).to.deep.equal([
            'pExpireAt',
          ])
          expect(await scene.expiry('s1')).to.equal(touched)
          await records().touch('s1', sooner)
          expect(await scene.expiry('s1')).to.equal(touched)
          expect(await scene.client.get(scene.sessionKey('s1'))).to.equal(recordOf(made))
          expect(await scene.index('alice')).to.deep.equal({ s1: soon })
        })

        it('brings nothing back', async () => {
          await records().touch('s1', later)
          expect(await scene.keys()).to.deep.equal([])
        })
      })

      describe('a removal', () => {
        it('deletes the expected record, with its entry, and no other', async () => {
          await write(null, made)
          const other = { ...made, n: 0 }
          expect(await remove('alice', other)).to.deep.equal([{ done: false, current: recordOf(made) }])
          expect(await scene.client.get(scene.sessionKey('s1'))).to.equal(recordOf(made))
          expect(Object.keys(await scene.index('alice'))).to.deep.equal(['s1'])
          expect(await remove('alice', made)).to.deep.equal([{ done: true }])
          expect(await scene.keys()).to.deep.equal([])
        })

        it('deletes any value of any type if no record is expected', async () => {
          await write(null, made)
          await scene.client.hSet(scene.sessionKey('s2'), 'field', 'value')
          await list('alice', 's2', soon)
          expect(await remove('alice', null, null)).to.deep.equal([{ done: true }, { done: true }])
          expect(await scene.keys()).to.deep.equal([])
        })

        it('drops the entry of a session that is gone', async () => {
          await list('alice', 's1', soon)
          await list('alice', 'other', later)
          expect(await remove('alice', made)).to.deep.equal([{ done: false, current: null }])
          await expectState(null, { other: later })
        })

        it('of many sessions reports each, in order', async () => {
          const states = Array.from({ length: 450 }, (_, n) => ({ ...made, n }))
          for (const [n, state] of states.entries()) {
            if (n % 100 !== 0) await store(`s${n + 1}`, state)
            await list('alice', `s${n + 1}`, soon)
          }
          await store('s451', made)
          await list('alice', 's451', soon)
          const outcomes = await remove('alice', ...states, { ...made, n: -1 })
          expect(outcomes).to.deep.equal([
            ...states.map((_, n) => (n % 100 === 0 ? { done: false, current: null } : { done: true })),
            { done: false, current: recordOf(made) },
          ])
          expect(Object.keys(await scene.index('alice'))).to.deep.equal(['s451'])
          expect(await scene.lives('s451')).to.equal(true)
        })

        it('of an anonymous session is one command on one key, and returns the deleted record', async () => {
          const nobodys = { ...made, user: null }
          await write(null, nobodys)
          const sent = await commands(async (client) => {
            const removal = { sessionId: 's1', expected: recordOf(nobodys) }
            const outcomes = await records(client).remove(null, [removal])
            expect(outcomes).to.deep.equal([{ done: true, deleted: recordOf(nobodys) }])
          })
          expect(sent).to.have.length(1)
          expect(await remove(null, nobodys)).to.deep.equal([{ done: false, current: null }])
          expect(await scene.keys()).to.deep.equal([])
        })
      })

      it('an eviction deletes while there are more than the limit', async () => {
        const other = { ...made, n: 2, until: later }
        await write(null, made)
        await write(null, other, { sessionId: 's2' })
        expect(await evict(2)).to.equal(null)
        expect(await evict(1, 's3')).to.deep.equal({ done: false, current: null })
        await expectState(made, { s1: soon, s2: later })
        const unexpected = { ...made, n: 0 }
        expect(await evict(1, 's1', unexpected)).to.deep.equal({ done: false, current: recordOf(made) })
        expect(await evict(1)).to.deep.equal({ done: true })
        await expectState(null, { s2: later })
        expect(await evict(1, 's2', other)).to.equal(null)
      })

      it('reconcile lists this user’s sessions, removes other entries, and returns the ids whose record has changed since', async () => {
        const [bobs, new1] = [
          { ...made, user: 'bob' },
          { ...made, n: 2 },
        ]
        for (const id of ['short', 'others', 'gone', 'new', 'endless']) await list('alice', id, soon)
        await store('short', { ...made, until: later })
        await store('unlisted', { ...made, until: later })
        await store('others', bobs)
        await store('new', new1)
        await scene.client.set(scene.sessionKey('endless'), recordOf(made))
        const seen = (sessionId: string, state: State | null, wanted: number | null, score: number | null) =>
          ({ sessionId, raw: state && recordOf(state), wanted, score }) satisfies Seen
        const changed = await records().reconcile('alice', [
          seen('new', bobs, null, soon),
          seen('short', { ...made, until: later }, later, soon),
          seen('unlisted', { ...made, until: later }, later, null),
          seen('others', bobs, null, soon),
          seen('gone', null, null, soon),
          seen('endless', made, soon, soon),
        ])
        expect(changed).to.deep.equal(['new'])
        expect(await scene.index('alice')).to.deep.equal({
          ...{ short: later, unlisted: later, endless: soon, new: soon },
        })
        expect(await scene.client.pExpireTime(scene.indexKey('alice'))).to.equal(later)
        const unseen = seen('new', made, later, null)
        expect(await records().reconcile('alice', [unseen]), 'to be listed').to.deep.equal(['new'])
      })

      it('read returns each session once and in order, for any number of sessions', async () => {
        const ids = Array.from({ length: 450 }, (_, n) => `s${n}`)
        const state = (n: number) => ({ n, user: 'alice', until: soon + n })
        for (let n = 0; n < ids.length; n += 100) await store(`s${n}`, state(n))
        expect(await records().read(ids)).to.deep.equal(
          ids.map((_, n) => {
            const isLive = n % 100 === 0
            return {
              raw: isLive ? recordOf(state(n)) : null,
              foreign: false,
              expires: isLive ? soon + n : null,
            }
          }),
        )
      })
    },
    ['server', 'cluster'],
  )
})

describe('The records on one server', () => {
  onEveryStage(
    (scene) => {
      const counted = async (work: (records: ReturnType<typeof recordsOf>) => Promise<unknown>) => {
        const { client, calls } = watch(scene.client)
        await work(recordsOf(scene, client))
        return calls.length
      }

      it('are read, removed and reconciled a hundred in a command, so that others need not wait', async () => {
        const ids = Array.from({ length: 200 }, (_, n) => `s${n}`)
        for (const [count, expected] of [
          [0, 0],
          [100, 1],
          [101, 2],
          [200, 2],
        ] as const) {
          const some = ids.slice(0, count)
          expect(await counted((records) => records.read(some)), `reads of ${count}`).to.equal(expected)
          const removals = some.map((sessionId) => ({ sessionId, expected: null }))
          expect(
            await counted((records) => records.remove('alice', removals)),
            `removals of ${count}`,
          ).to.equal(expected)
          const seen = some.map((sessionId) => ({ sessionId, score: soon, wanted: null, raw: null }))
          expect(
            await counted((records) => records.reconcile('alice', seen)),
            `repairs of ${count}`,
          ).to.equal(expected)
        }
      })

      it('write in one step, for every kind of write', async () => {
        const states: State[] = [
          made,
          { ...made, n: 2, until: later },
          { ...made, n: 3, user: 'bob' },
          { ...made, n: 4, user: null },
          { ...made, n: 5, until: latest },
        ]
        let before: State | null = null
        for (const state of states) {
          expect(await counted((records) => records.write(writeOf(before, state)))).to.equal(1)
          before = state
        }
      })
    },
    ['server'],
  )
})
