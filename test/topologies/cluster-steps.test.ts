/**
 * The records on Cluster, step by step: how many steps there are, and what other processes do between two steps. A
 * process can also die after a step, or never get its answer. Redis may do a step twice, because the client has sent it
 * again. A live session is listed at every moment.
 */
import { expect } from 'chai'
import { isReserved } from '../../src/redis/entry-marks.ts'
import type { Records, Write } from '../../src/redis/records.ts'
import { CorruptSessionError } from '../../src/session/errors.ts'
import { HOUR, rejection } from '../support/database.ts'
import {
  type Call,
  type Choice,
  ClientDied,
  dieAfter,
  dieBefore,
  failAfter,
  failBefore,
  pauseAfter,
  pauseBefore,
  runs,
  twice,
  watch,
} from '../support/paused-client.ts'
import { nth, onEveryStage } from '../support/scene.ts'
import {
  condemnScript,
  raiseScript,
  readScript,
  removeScript,
  replaceScript,
  reserveScript,
  type Script,
  settleScript,
  writeScript,
} from '../support/scripts.ts'
import { newSession } from '../support/sessions.ts'
import { recordOf, recordsOf, type State, writeOf } from '../support/states.ts'
import type { AnyClient } from '../support/topologies.ts'

const sooner = Date.now() + HOUR
const soon = sooner + HOUR
const later = soon + HOUR
const latest = later + HOUR

/** A cookie with this end. */
const endsAt = (time: number) => ({ originalMaxAge: null, expires: new Date(time), path: '/' })

const made: State = { n: 1, user: 'alice', until: soon }
const bobs: State = { n: 2, user: 'bob', until: soon }
const nobodys: State = { n: 3, user: null, until: soon }
/** More than the commands of any write. */
const MANY = 20

/**
 * The first sending of a script, by its hash. The second sending has the source, for a server that does not know the
 * script.
 */
const first =
  (script: Script) =>
  (call: Call): boolean =>
    call.command === 'evalSha' && runs(script)(call)

describe('The records on Cluster, step by step', () => {
  onEveryStage(
    (scene) => {
      const records = (client: AnyClient = scene.client) => recordsOf(scene, client)
      const write = (from: State | null, to: State, client = scene.client, more: Partial<Write> = {}) =>
        records(client).write({ ...writeOf(from, to), ...more })
      const remove = (state: State, client = scene.client) =>
        records(client).remove(state.user, [{ sessionId: 's1', expected: recordOf(state) }])
      const evict = (limit: number, sessionId: string, state: State) =>
        records().evict('alice', { sessionId, expected: recordOf(state) }, limit)
      const list = (sessionId: string, score: number) =>
        scene.client.zAdd(scene.indexKey('alice'), { value: sessionId, score })
      const entry = async () => (await scene.index('alice')).s1
      /** As the store lists. */
      const listing = (client: AnyClient = scene.client) => scene.store({ client }).userSessions('alice')

      /** Work that waits before a step; `finish` lets it go on. */
      const stoppedBefore = (
        choice: Choice,
        work: (client: AnyClient) => Promise<unknown>,
        around: (client: AnyClient) => AnyClient = (client) => client,
      ) => {
        const paused = pauseBefore(around(scene.client), choice)
        const working = work(paused.client)
        working.catch(() => {})
        const finish = () => {
          paused.release()
          return working
        }
        return paused.reached.then(() => finish)
      }

      /**
       * Checks that `s1` lives in this state. Alice's index must list it until the time in the record: exactly, or at
       * least.
       */
      async function expectListed(state: State, exactly = true): Promise<void> {
        expect(await scene.client.get(scene.sessionKey('s1')), 'the record').to.equal(recordOf(state))
        if (exactly) expect(await entry(), 'the entry').to.equal(state.until)
        else expect(await entry(), 'the entry').to.be.at.least(state.until)
      }

      /** If alice owns `s1`, her index lists it at least as long as its record says. */
      async function expectNotUnlisted(): Promise<void> {
        const raw = await scene.client.get(scene.sessionKey('s1'))
        const { userId, cookie } = JSON.parse(raw ?? '{}')
        if (userId === 'alice') expect(await entry(), 'the entry').to.be.at.least(cookie.index.until)
      }

      it('take no more steps than needed', async () => {
        const steps: Record<string, number> = {}
        const count = async (name: string, work: (records: Records) => Promise<unknown>) => {
          const { client, calls } = watch(scene.client)
          await work(records(client))
          // A server that does not know SET … IFEQ is asked by a script.
          const isAskedTwice = calls.some(runs(replaceScript))
          steps[name] = calls.length - (isAskedTwice ? 1 : 0)
        }
        const states = [made, { ...made, until: later }, { ...made, until: sooner }, bobs, nobodys, made]
        const names = ['create', 'end later', 'end sooner', 'switch', 'sign out', 'sign in']
        for (const [n, to] of states.entries()) {
          await count(names[n] as string, (records) => records.write(writeOf(states[n - 1] ?? null, to)))
        }
        const [changed, other] = [
          { ...made, n: 7 },
          { sessionId: 's1', expected: recordOf(bobs) },
        ]
        await count('save', (records) => records.write(writeOf(made, changed)))
        await count('touch', (records) => records.touch('s1', later))
        await count('refused', (records) => records.write(writeOf(null, { ...made, n: 8 })))
        await count('not evicted', (records) => records.evict('alice', other, 1))
        await count('not removed', (records) => records.remove('alice', [other]))
        const removal = { sessionId: 's1', expected: recordOf(changed) }
        await count('evict', (records) => records.evict('alice', removal, 0))
        await write(null, changed)
        await count('remove', (records) => records.remove('alice', [removal]))
        const seen = { sessionId: 's1', raw: null, score: soon }
        await list('s1', soon)
        await count('unlist', (records) => records.reconcile('alice', [{ ...seen, wanted: null }]))
        await write(null, made)
        const right = { sessionId: 's1', raw: recordOf(made) }
        const relist = (score: number | null) => (records: Records) =>
          records.reconcile('alice', [{ ...right, score, wanted: soon }])
        await count('list', relist(null))
        await count('raise', relist(sooner))
        await count('leave', relist(later))
        expect(steps).to.deep.equal({
          ...{ create: 4, 'end later': 3, 'end sooner': 3, switch: 7, 'sign out': 4, 'sign in': 4 },
          ...{ save: 1, touch: 1, refused: 3, 'not removed': 2, 'not evicted': 1 },
          ...{ evict: 3, remove: 3, unlist: 3, list: 2, raise: 2, leave: 0 },
        })
      })

      describe('after each of their steps', () => {
        /** The session before, and the write that changes it. */
        const transitions: Record<
          string,
          [before: State | null, work: (records: Records) => Promise<unknown>]
        > = {
          create: [null, (records) => records.write(writeOf(null, made))],
          'a create over it': [made, (records) => records.write(writeOf(null, { ...made, n: 4 }))],
          'a longer create over it': [
            made,
            (records) => records.write(writeOf(null, { ...made, n: 4, until: later })),
          ],
          'a shorter create over it': [
            made,
            (records) => records.write(writeOf(null, { ...made, n: 4, until: sooner })),
          ],
          'a sign-in': [nobodys, (records) => records.write(writeOf(nobodys, made))],
          'a refused sign-in': [nobodys, (records) => records.write(writeOf({ ...nobodys, n: 9 }, made))],
          'a switch to alice': [bobs, (records) => records.write(writeOf(bobs, made))],
          'a switch from alice': [made, (records) => records.write(writeOf(made, bobs))],
          'a sign-out in it': [made, (records) => records.write(writeOf(made, nobodys))],
          'a later end': [made, (records) => records.write(writeOf(made, { ...made, n: 4, until: later }))],
          'a sooner end': [made, (records) => records.write(writeOf(made, { ...made, n: 4, until: sooner }))],
          'a refused later end': [
            made,
            (records) => records.write(writeOf({ ...made, n: 9 }, { ...made, n: 4, until: later })),
          ],
          'a removal': [
            made,
            (records) => records.remove('alice', [{ sessionId: 's1', expected: recordOf(made) }]),
          ],
          'a refused removal': [
            made,
            (records) => records.remove('alice', [{ sessionId: 's1', expected: recordOf(bobs) }]),
          ],
          'an eviction': [
            made,
            (records) => records.evict('alice', { sessionId: 's1', expected: recordOf(made) }, 0),
          ],
        }
        const ends = { dieBefore, dieAfter, failBefore, failAfter }
        /** The work of another process at that moment. */
        const meanwhile: Record<string, () => Promise<unknown>> = {
          nothing: async () => {},
          'a listing': () => listing(),
          'a sign-in': () => scene.store().set('s1', newSession({ userId: 'alice' })),
          'a revocation, and a sign-in': async () => {
            await scene.store().destroyUser('alice')
            await scene.store().set('s1', newSession({ userId: 'alice' }))
          },
        }
        const updates: typeof meanwhile = {
          'an update': () => scene.store().updateUser('alice', { role: 'editor' }),
          'an update to a later end': () => scene.store().updateUser('alice', { cookie: endsAt(latest) }),
          'an update to a sooner end': () => scene.store().updateUser('alice', { cookie: endsAt(sooner) }),
          'an update, and a revocation': async () => {
            await scene.store().updateUser('alice', { role: 'editor' })
            await scene.store().destroyUser('alice')
          },
        }

        /** Makes the session as it is before the work. */
        async function startFrom(before: State | null): Promise<void> {
          await scene.client.del(scene.sessionKey('s1'))
          for (const user of ['alice', 'bob']) await scene.client.del(scene.indexKey(user))
          if (before) await write(null, before)
        }

        for (const [name, [before, work]] of Object.entries(transitions)) {
          it(`of ${name}, a session that lives is listed, if Redis does the step twice`, async () => {
            for (const between of Object.values({ ...meanwhile, ...updates })) {
              for (let n = 1; n <= MANY; n++) {
                await startFrom(before)
                const { client, calls } = twice(scene.client, n, between)
                await work(records(client))
                await expectNotUnlisted()
                await listing()
                await expectNotUnlisted()
                if (calls.length < n) break
              }
            }
          })

          it(`of ${name}, a session that lives is listed, if the process dies or gets no answer`, async () => {
            for (const end of Object.values(ends)) {
              for (const then of Object.values(meanwhile)) {
                for (let n = 1; n <= MANY; n++) {
                  await startFrom(before)
                  const error = new Error('No answer')
                  const { client, calls } = end(scene.client, n, error)
                  await work(records(client)).catch((reason) => {
                    if (!(reason instanceof ClientDied)) expect(reason).to.equal(error)
                  })
                  await expectNotUnlisted()
                  await then()
                  await expectNotUnlisted()
                  if (calls.length < n) break
                }
              }
            }
          })
        }
      })

      describe('a listing', () => {
        it('leaves the entry of a session that is about to be written', async () => {
          const finish = await stoppedBefore(first(writeScript), (client) => write(null, made, client))
          await listing()
          expect(isReserved((await entry()) as number)).to.equal(true)
          await finish()
          await expectListed(made)
        })

        it('leaves the entry of an anonymous session for a sign-in whose process dies before the write', async () => {
          await write(null, nobodys)
          const finish = await stoppedBefore(
            first(writeScript),
            (client) => write(nobodys, made, client),
            (client) => dieAfter(client, first(writeScript)).client,
          )
          await listing()
          await rejection(finish())
          await expectListed(made, false)
        })

        it('settles the entry of a session whose creating process has died', async () => {
          const { client } = dieAfter(scene.client, first(writeScript))
          await rejection(write(null, made, client))
          expect(isReserved((await entry()) as number)).to.equal(true)
          await listing()
          await expectListed(made)
        })

        it('that found nothing removes no entry of a session that was made since, dying or not', async () => {
          for (const step of [nth(2, first(readScript)), first(settleScript)]) {
            await list('s1', soon)
            const finish = await stoppedBefore(
              step,
              listing,
              (client) => dieAfter(client, first(settleScript)).client,
            )
            await write(null, made)
            await rejection(finish())
            await expectListed(made, false)
            await remove(made)
            await scene.client.del(scene.indexKey('alice'))
          }
        })

        it('that found an earlier end does not change a later one', async () => {
          await write(null, made)
          await list('s1', sooner)
          const moved = { ...made, n: 4, until: latest }
          const finish = await stoppedBefore(first(raiseScript), listing)
          await write(made, moved)
          await finish()
          await expectListed(moved)
        })

        it('that lists a session which is revoked at the same time leaves no entry', async () => {
          await write(null, made)
          await list('s1', sooner)
          const finish = await stoppedBefore(first(raiseScript), listing)
          await remove(made)
          await finish()
          expect(await scene.keys()).to.deep.equal([])
        })

        it('removes the entry that a revocation left when it died in between', async () => {
          await write(null, made)
          const { client } = dieAfter(scene.client, first(removeScript))
          await rejection(remove(made, client))
          expect(await scene.lives('s1')).to.equal(false)
          await listing()
          expect(await scene.keys()).to.deep.equal([])
        })
      })

      describe('two processes that create one session', () => {
        it('do not remove each other’s entry, if the first fails and the second dies', async () => {
          await write(null, nobodys)
          const second = await stoppedBefore(
            first(writeScript),
            (client) => write(nobodys, made, client),
            (client) => dieAfter(client, first(writeScript)).client,
          )
          expect(await write({ ...nobodys, n: 9 }, made)).to.have.property('done', false)
          await listing()
          await rejection(second())
          await expectListed(made, false)
        })

        it('nor if one has made it, it is revoked, and the other makes it again and dies', async () => {
          const second = await stoppedBefore(
            first(writeScript),
            (client) => write(null, made, client),
            (client) => dieAfter(client, first(writeScript)).client,
          )
          const other = { ...made, n: 4 }
          await write(null, other)
          await listing()
          await remove(other)
          expect(await scene.lives('s1')).to.equal(false)
          await listing()
          await rejection(second())
          await expectListed(made, false)
        })

        it('leave an entry at rest', async () => {
          await write(null, nobodys)
          const second = await stoppedBefore(first(writeScript), (client) => write(nobodys, made, client))
          const other = { ...made, n: 4, until: later }
          expect(await write(nobodys, other)).to.deep.equal({ done: true })
          expect(await second()).to.deep.equal({ done: false, current: recordOf(other) })
          expect(Math.floor((await entry()) as number)).to.equal(later)
          expect(isReserved((await entry()) as number)).to.equal(false)
          await remove(other)
          expect(await scene.keys()).to.deep.equal([])
        })

        it('leave an entry at rest, also if they are many, and a revocation leaves nothing', async () => {
          for (const many of [3, 5, 14]) {
            await write(null, nobodys)
            // Each has another record, because a write that finds its own record there counts as done.
            const states = Array.from({ length: many }, (_, n) => ({ ...made, n: 10 + n }))
            const finishes = []
            for (const state of states)
              finishes.push(
                await stoppedBefore(first(writeScript), (client) => write(nobodys, state, client)),
              )
            const outcomes = await Promise.all(finishes.map((finish) => finish()))
            const winners = states.filter((_, n) => (outcomes[n] as { done: boolean }).done)
            expect(winners).to.have.lengthOf(1)
            expect(isReserved((await entry()) as number), `${many} processes`).to.equal(false)
            const [winner] = winners as [State]
            await expectListed(winner)
            await remove(winner)
            expect(await scene.keys()).to.deep.equal([])
          }
        })

        it('leave no entry if both fail', async () => {
          const finish = await stoppedBefore(first(writeScript), (client) => write(nobodys, made, client))
          expect(await write({ ...nobodys, n: 9 }, made)).to.deep.equal({ done: false, current: null })
          expect(await finish()).to.deep.equal({ done: false, current: null })
          expect(await scene.keys()).to.deep.equal([])
        })
      })

      describe('a session that replaces one of the same user', () => {
        it('can be refused and can die at any step, and the session that is there stays listed', async () => {
          for (let n = 1; n <= MANY; n++) {
            await scene.client.del(scene.sessionKey('s1'))
            await write(null, made)
            const { client, dead } = dieAfter(scene.client, n)
            await write(null, { ...made, n: 4 }, client).catch(() => {})
            await expectListed(made, false)
            if (!dead) break
          }
        })

        it('is listed if the old session is revoked before, and that process dies', async () => {
          await write(null, made)
          const again = { ...made, n: 4 }
          const finish = await stoppedBefore(
            first(writeScript),
            (client) => write(null, again, client),
            (client) => dieAfter(client, first(writeScript)).client,
          )
          await listing()
          await remove(made)
          await listing()
          await rejection(finish())
          await expectListed(again, false)
        })
      })

      describe('a revocation', () => {
        it('before the entry of a new session is settled leaves none', async () => {
          for (const step of [first(settleScript), first(readScript)]) {
            const finish = await stoppedBefore(step, (client) => write(null, made, client))
            expect(await remove(made)).to.deep.equal([{ done: true }])
            await finish()
            expect(await scene.keys()).to.deep.equal([])
          }
        })

        it('of a session whose creating process has died leaves no entry', async () => {
          const { client } = dieAfter(scene.client, first(writeScript))
          await rejection(write(null, made, client))
          await remove(made)
          expect(await scene.keys()).to.deep.equal([])
        })

        it('keeps the entry of a session that is created again before the removal, even if the process dies', async () => {
          await write(null, made)
          const finish = await stoppedBefore(
            first(settleScript),
            (client) => remove(made, client),
            (client) => dieAfter(client, first(settleScript)).client,
          )
          await write(null, made)
          await rejection(finish())
          await expectListed(made, false)
        })

        it('while an end is being moved leaves no entry', async () => {
          for (const until of [later, sooner]) {
            await write(null, made)
            const moved = { ...made, n: 4, until }
            const finish = await stoppedBefore(first(writeScript), (client) => write(made, moved, client))
            await remove(made)
            expect(await finish()).to.deep.equal({ done: false, current: null })
            expect(await scene.keys()).to.deep.equal([])
          }
        })

        it('whose session was moved between its steps leaves no entry', async () => {
          for (const until of [later, sooner]) {
            await write(null, made)
            const finish = await stoppedBefore(first(removeScript), (client) => remove(made, client))
            const moved = { ...made, n: 4, until }
            await write(made, moved)
            expect(await finish()).to.deep.equal([{ done: false, current: recordOf(moved) }])
            await remove(moved)
            expect(await scene.keys()).to.deep.equal([])
          }
        })

        it('deletes the session even if its index cannot be written, and reports that', async () => {
          await write(null, made)
          await scene.client.del(scene.indexKey('alice'))
          await scene.client.set(scene.indexKey('alice'), 'no index')
          expect(await rejection(remove(made))).to.be.instanceOf(CorruptSessionError)
          expect(await scene.lives('s1')).to.equal(false)
        })

        it('whose first step fails still removes the entry', async () => {
          await write(null, made)
          const { client } = failBefore(scene.client, first(condemnScript), new Error('No connection'))
          expect(await remove(made, client)).to.deep.equal([{ done: true }])
          expect(await scene.keys()).to.deep.equal([])
        })
      })

      describe('an end that is moved sooner', () => {
        const ended = { ...made, n: 4, until: sooner }
        /** Stopped before it lowers the entry; dies of it. */
        const lowering = () =>
          stoppedBefore(
            first(settleScript),
            (client) => write(made, ended, client),
            (client) => dieAfter(client, first(settleScript)).client,
          )

        for (const [name, until] of [
          ['later than it was', latest],
          ['as late as it was', soon],
          ['a little later', sooner + 1],
        ] as const) {
          it(`and then ${name} by another process does not change the later end`, async () => {
            await write(null, made)
            const finish = await lowering()
            const moved = { ...made, n: 5, until }
            await write(ended, moved)
            await rejection(finish())
            await expectListed(moved)
          })

          it(`and then ${name} by a process that dies does not change the later end`, async () => {
            await write(null, made)
            const finish = await lowering()
            const { client } = dieAfter(scene.client, first(writeScript))
            const moved = { ...made, n: 5, until }
            await rejection(write(ended, moved, client))
            await rejection(finish())
            await expectListed(moved, false)
          })
        }

        it('is lowered even if another write was tried at the same time and refused', async () => {
          await write(null, made)
          const finish = await stoppedBefore(first(settleScript), (client) => write(made, ended, client))
          expect(await write(made, { ...made, n: 5, until: latest })).to.have.property('done', false)
          await finish()
          await expectListed(ended)
        })
      })

      describe('a write that Redis does twice', () => {
        const isWrite = first(writeScript)
        const role = { ...made, n: 6 }

        it('and finds its own record counts as done, and leaves the entry at rest', async () => {
          for (const [before, to] of [
            [null, made],
            [nobodys, made],
            [made, { ...made, n: 4, until: later }],
            [made, { ...made, n: 4, until: sooner }],
          ] as [State | null, State][]) {
            if (before) await write(null, before)
            const { client } = twice(scene.client, isWrite)
            expect(await write(before, to, client)).to.deep.equal({ done: true })
            await expectListed(to)
            await remove(to)
            expect(await scene.keys()).to.deep.equal([])
          }
        })

        it('with an update in between leaves a new session listed', async () => {
          const { client } = twice(scene.client, isWrite, () => write(made, role))
          expect(await write(null, made, client)).to.deep.equal({ done: false, current: recordOf(role) })
          await expectListed(role)
        })

        it('with an update in between leaves a session listed that replaces a shorter one', async () => {
          const before = { ...made, n: 9, until: sooner }
          // The second write knows the record, but not that the index lists it.
          for (const more of [{}, { previous: null }]) {
            await write(null, before)
            const { client } = twice(scene.client, isWrite, () => write(made, role))
            expect(await write(before, made, client, more)).to.have.property('done', false)
            await expectListed(role)
            await remove(role)
          }
        })

        it('with an update to another end in between leaves the session listed until then', async () => {
          for (const until of [sooner, later, latest]) {
            const { client } = twice(scene.client, isWrite, () => write(made, { ...role, until }))
            expect(await write(null, made, client)).to.have.property('done', false)
            await expectListed({ ...role, until }, until !== sooner)
            const longer = { ...made, n: 7, until: latest + 1 }
            const next = { ...made, n: 8, until }
            const { client: again } = twice(scene.client, isWrite, () => write(longer, next))
            expect(await write({ ...role, until }, longer, again)).to.have.property('done', false)
            await expectListed(next, false)
            await remove(next)
          }
        })

        it('with a revocation in between is listed if it makes the session again', async () => {
          const { client } = twice(scene.client, isWrite, () => remove(made))
          expect(await write(null, made, client)).to.deep.equal({ done: true })
          await expectListed(made)
        })

        it('is listed if Redis refuses it the second time', async () => {
          const full = new Error("OOM command not allowed when used memory > 'maxmemory'.")
          const { client } = failAfter(scene.client, isWrite, full)
          expect(await rejection(write(null, made, client))).to.equal(full)
          await expectListed(made)
        })

        it('does not end the reservation of another write that is not done yet', async () => {
          await write(null, made)
          const creating = await stoppedBefore(isWrite, (client) => write(null, { ...made, n: 5 }, client))
          const longer = { ...made, n: 7, until: later }
          const next = { ...longer, n: 8 }
          const { client } = twice(scene.client, isWrite, () => write(longer, next))
          expect(await write(made, longer, client)).to.have.property('done', false)
          expect(isReserved((await entry()) as number)).to.equal(true)
          await expectListed(next, false)
          await creating()
          await expectListed(next)
        })

        it('is listed after a removal of the entry that began before the session was there', async () => {
          await list('s1', latest)
          const unlisting = await stoppedBefore(first(settleScript), (client) =>
            records(client).reconcile('alice', [{ sessionId: 's1', score: latest, wanted: null, raw: null }]),
          )
          const { client } = twice(scene.client, isWrite, () => write(made, role))
          expect(await write(null, made, client)).to.have.property('done', false)
          await unlisting()
          await expectListed(role, false)
        })
      })

      describe('a sign-in without an answer', () => {
        it('leaves nothing if it was that of its first step', async () => {
          const lost = new Error('The answer was lost')
          const { client } = failAfter(scene.client, first(reserveScript), lost)
          expect(await rejection(write(null, made, client))).to.equal(lost)
          expect(await scene.keys()).to.deep.equal([])
        })

        it('is listed if the session was written, whatever else was written in between', async () => {
          for (const then of [async () => {}, listing, () => write(made, { ...made, until: later })]) {
            const lost = new Error('The answer was lost')
            const { client: slow, reached, release } = pauseAfter(scene.client, first(writeScript))
            const { client } = failAfter(slow, first(writeScript), lost)
            const writing = rejection(write(null, made, client))
            await reached
            await then()
            release()
            expect(await writing).to.equal(lost)
            await expectNotUnlisted()
            await scene.client.del(scene.sessionKey('s1'))
            await scene.client.del(scene.indexKey('alice'))
          }
        })

        it('stays reserved if the session was not written, because it still may be', async () => {
          const lost = new Error('No connection')
          const { client } = failBefore(scene.client, first(writeScript), lost)
          expect(await rejection(write(null, made, client))).to.equal(lost)
          await listing()
          expect(isReserved((await entry()) as number)).to.equal(true)
          // As the command that was on its way.
          await scene.client.set(scene.sessionKey('s1'), recordOf(made), {
            expiration: { type: 'PXAT', value: soon },
          })
          await expectListed(made, false)
          await listing()
          await expectListed(made)
        })

        it('leaves nothing if Redis has refused the write', async () => {
          const full = new Error("OOM command not allowed when used memory > 'maxmemory'.")
          const { client } = failBefore(scene.client, first(writeScript), full)
          expect(await rejection(write(null, made, client))).to.equal(full)
          expect(await scene.keys()).to.deep.equal([])
        })
      })

      it('a session that loses its TTL before its entry is settled stays listed', async () => {
        const finish = await stoppedBefore(first(settleScript), (client) => write(null, made, client))
        await scene.client.persist(scene.sessionKey('s1'))
        await finish()
        await expectListed(made)
      })

      it('a session without a TTL that has changed since is told of, and not listed without an end', async () => {
        await scene.client.set(scene.sessionKey('s1'), recordOf({ ...made, n: 4 }))
        await list('s1', soon)
        const seen = { sessionId: 's1', score: soon, wanted: null, raw: recordOf(bobs) }
        expect(await records().reconcile('alice', [seen])).to.deep.equal(['s1'])
        expect(await entry()).to.equal(soon)
      })

      describe('an eviction', () => {
        it('leaves a session that the index does not list', async () => {
          await write(null, made, scene.client, { sessionId: 's2' })
          await write(null, made, scene.client, { sessionId: 's3' })
          await scene.client.set(scene.sessionKey('s1'), recordOf(made))
          expect(await evict(1, 's1', made)).to.deep.equal({ done: false, current: null })
          expect(await scene.lives('s1')).to.equal(true)
        })

        it('that died over its session is ended by the next, and does not count', async () => {
          await write(null, made)
          const other = { ...made, n: 2, until: later }
          await write(null, other, scene.client, { sessionId: 's2' })
          const { client } = dieAfter(scene.client, first(condemnScript))
          const removal = { sessionId: 's1', expected: recordOf(made) }
          await rejection(records(client).evict('alice', removal, 1))
          await expectListed(made, false)
          expect(await evict(1, 's2', other)).to.equal(null)
          expect(await evict(5, 's1', made)).to.deep.equal({ done: true })
          expect(await scene.index('alice')).to.deep.equal({ s2: later })
        })

        it('that died is finished by the next sign-in beyond the limit, and a listing reports the true expiry', async () => {
          const [dying, other] = [await scene.signIn('alice'), await scene.signIn('alice')]
          const raw = await scene.client.get(scene.sessionKey(dying))
          const { client } = dieAfter(scene.client, first(condemnScript))
          await rejection(records(client).evict('alice', { sessionId: dying, expected: raw }, 1))
          const listed = await listing()
          const expires = listed.find(({ sessionId }) => sessionId === dying)?.expires.getTime()
          expect(expires).to.equal(await scene.expiry(dying))
          await scene.client.pExpireAt(scene.sessionKey(other), sooner - HOUR / 2)
          await scene.store({ maxUserSessions: 2 }).set('third', newSession({ userId: 'alice' }))
          expect(Object.keys(await scene.index('alice'))).to.have.members([other, 'third'])
          expect([await scene.lives(other), await scene.lives(dying)]).to.deep.equal([true, false])
        })
      })
    },
    ['cluster'],
  )
})
