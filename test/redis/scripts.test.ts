/**
 * The Lua scripts do what their headers promise: their outcomes and their writes. A script that refuses changes
 * nothing.
 */
import { expect } from 'chai'
import { CorruptSessionError } from '../../src/index.ts'
import { forever } from '../../src/session/expiry.ts'
import { HOUR, MINUTE, rejection, SECOND, useDatabase } from '../support/database.ts'
import {
  condemnScript,
  emptyWriteScript,
  evictScript,
  pageScript,
  raiseScript,
  readScript,
  reconcileScript,
  removeScript,
  replaceScript,
  reserveScript,
  run,
  type Script,
  settleScript,
  touchScript,
  writeScript,
} from '../support/scripts.ts'

describe('The script', () => {
  const db = useDatabase()
  /** Odd, because a fraction of a millisecond is all that is looked at of a score. */
  const soon = 2 * Math.floor((Date.now() + HOUR) / 2) + 1
  const later = soon + HOUR
  const latest = later + HOUR
  const [year3084, year9999] = [2 ** 45, forever]
  /** The index of a user, or a session. */
  const eva = () => db.indexKey('eva')
  const bob = () => db.indexKey('bob')
  const s1 = () => db.sessionKey('s1')

  const call = (script: Script, keys: string[], ...args: (string | number)[]) =>
    run(db.client, script, keys, args.map(String))

  async function stored(record = 'r1', expires = soon, id = 's1'): Promise<void> {
    await db.client.set(db.sessionKey(id), record, { PXAT: expires })
  }

  async function listed(key: string, scores: Record<string, number>, expires?: number): Promise<void> {
    await db.client.zAdd(
      key,
      Object.entries(scores).map(([value, score]) => ({ value, score })),
    )
    if (expires !== undefined) await db.client.pExpireAt(key, expires)
  }

  async function scores(key: string): Promise<Record<string, number>> {
    const entries = await db.client.zRangeWithScores(key, 0, -1)
    return Object.fromEntries(entries.map(({ value, score }) => [value, score]))
  }

  async function expectUnchanged(work: () => Promise<unknown>): Promise<void> {
    const before = await db.dump()
    await work()
    expect(await db.dump()).to.deep.equal(before)
  }

  async function expectIndex(key: string, entries: Record<string, number>, expires: number): Promise<void> {
    expect(await scores(key)).to.deep.equal(entries)
    expect(await db.client.pExpireTime(key), 'the index’s own end').to.equal(expires)
  }

  /** Redis's clock in ms. */
  async function clock(): Promise<number> {
    const [seconds, micros] = ((await db.client.sendCommand(['TIME'])) as string[]).map(Number)
    return (seconds as number) * 1000 + Math.floor((micros as number) / 1000)
  }

  /** The same, when it is between these ms of a second. */
  async function clockWithin(from: number, to: number): Promise<number> {
    for (;;) {
      const ms = await clock()
      if (ms % 1000 >= from && ms % 1000 < to) return ms
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /** Arguments of a write, in words. */
  type Writing = {
    record?: string
    expires?: number | string
    /** The session keeps its TTL, up to this time. */
    keepTo?: number
    /** `null`: there must be none. */
    expected?: string | null
    /** '' for a session without an owner. */
    until?: number | ''
    limit?: number
  }

  for (const [name, script] of [
    ['write', writeScript],
    ['touch', touchScript],
  ] as const) {
    describe(name, () => {
      const write = (keys: string[], writing: Writing = {}) => {
        const { record = 'r1', expires = soon, keepTo = '', expected = null } = writing
        const { until = later, limit = '' } = writing
        const condition = expected === null ? '0' : '1'
        return call(script, keys, ...['s1', record, expires, keepTo, condition, until, limit, expected ?? ''])
      }

      it('makes a session that does not exist, with an entry that ends later', async () => {
        expect(await write([s1(), eva()])).to.equal(1)
        expect([await db.raw('s1'), await db.expiry('s1')]).to.deep.equal(['r1', soon])
        await expectIndex(eva(), { s1: later }, later)
      })

      it('replaces exactly the expected record, later or sooner', async () => {
        await stored()
        await listed(eva(), { s1: soon }, soon)
        for (const [expected, record, expires, until] of [
          ['r1', 'r2', later, latest],
          ['r2', 'r3', soon, later],
          ['r3', 'r3', soon, soon],
        ] as const) {
          expect(await write([s1(), eva()], { expected, record, expires, until })).to.equal(1)
          expect([await db.raw('s1'), await db.expiry('s1')]).to.deep.equal([record, expires])
          await expectIndex(eva(), { s1: until }, until)
        }
      })

      it('replaces an empty record, which is not the same as none', async () => {
        await stored('')
        await expectUnchanged(async () => {
          expect(await write([s1(), eva()], { record: 'r2', expected: null })).to.deep.equal([''])
        })
        expect(await write([s1(), eva()], { record: 'r2', expected: '' })).to.equal(1)
        expect(await db.raw('s1')).to.equal('r2')
      })

      it('returns the other record that is there, or 0 if there is none, and changes nothing', async () => {
        await expectUnchanged(async () => {
          expect(await write([s1(), eva()], { expected: 'r1' })).to.equal(0)
          expect(await write([s1(), eva()], { expected: '' })).to.equal(0)
        })
        await stored()
        await expectUnchanged(async () => {
          expect(await write([s1(), eva()], { expires: later })).to.deep.equal(['r1'])
          expect(await write([s1(), eva()], { expires: later, expected: 'r0' })).to.deep.equal(['r1'])
          expect(await write([s1()], { until: '', expected: 'r0' })).to.deep.equal(['r1'])
        })
      })

      it('keeps a TTL up to an end, and sets one if there is none', async () => {
        const keep = (expected: string, record: string, keepTo: number) =>
          write([s1(), eva()], { expected, record, expires: latest, keepTo, until: latest })
        await stored()
        expect(await keep('r1', 'r2', latest)).to.equal(1)
        expect([await db.raw('s1'), await db.expiry('s1')]).to.deep.equal(['r2', soon])
        await expectIndex(eva(), { s1: latest }, latest)
        await keep('r2', 'r3', soon - MINUTE)
        expect([await db.raw('s1'), await db.expiry('s1')]).to.deep.equal(['r3', soon - MINUTE])
        await db.client.persist(s1())
        await keep('r3', 'r4', latest)
        expect([await db.raw('s1'), await db.expiry('s1')]).to.deep.equal(['r4', latest])
      })

      it('moves the entry from one user to another, and removes it from all indexes if the session is anonymous', async () => {
        await stored()
        await listed(bob(), { s1: soon, s2: later, s3: MINUTE }, soon)
        await write([s1(), eva(), bob()], { record: 'r2', expected: 'r1' })
        await expectIndex(eva(), { s1: later }, later)
        await expectIndex(bob(), { s2: later }, later)
        await write([s1(), eva(), bob()], { record: 'r3', expected: 'r2', until: '' })
        expect(await scores(eva())).to.deep.equal({})
        await expectIndex(bob(), { s2: later }, later)
        expect(await db.raw('s1')).to.equal('r3')
      })

      it('of a session without an index writes the session alone', async () => {
        expect(await write([s1()], { until: '' })).to.equal(1)
        expect(await db.keys()).to.deep.equal([s1()])
      })

      it('gives the index the TTL of its longest entry, instead of the TTL that it had', async () => {
        const list = (until: number) => write([s1(), eva()], { expected: 'r1', until })
        await stored()
        await listed(eva(), { s2: later }, latest + HOUR)
        await list(soon)
        await expectIndex(eva(), { s1: soon, s2: later }, later)
        await list(latest)
        await expectIndex(eva(), { s1: latest, s2: later }, latest)
        await list(soon)
        await expectIndex(eva(), { s1: soon, s2: later }, later)
        await db.client.persist(eva())
        await list(latest)
        await expectIndex(eva(), { s1: latest, s2: later }, latest)
      })

      it('refuses a sign-in beyond the limit, and changes nothing; entries that have expired do not count', async () => {
        await listed(eva(), { s2: soon, s3: later }, later)
        await expectUnchanged(async () => {
          expect(await write([s1(), eva()], { limit: 2 })).to.equal(-1)
          expect(await write([s1(), eva()], { limit: 1 })).to.equal(-1)
        })
        expect(await write([s1(), eva()], { limit: 3 })).to.equal(1)
        await db.client.del(s1())
        await listed(eva(), { s1: MINUTE, s2: MINUTE })
        expect(await write([s1(), eva()], { limit: 2 })).to.equal(1)
        expect(Object.keys(await scores(eva()))).to.have.members(['s1', 's3'])
      })

      it('counts no session that the index lists already', async () => {
        await stored()
        await listed(eva(), { s1: soon, s2: soon, s3: later }, later)
        expect(await write([s1(), eva()], { expected: 'r1', record: 'r2', limit: 2 })).to.equal(1)
        expect(await db.raw('s1')).to.equal('r2')
      })

      it('counts a session whose own entry has ended', async () => {
        await listed(eva(), { s1: MINUTE, s2: soon, s3: soon }, soon)
        expect(await write([s1(), eva()], { limit: 2 })).to.equal(-1)
        expect(await db.raw('s1')).to.equal(null)
      })

      it('forgets entries that have expired by Redis’s clock, to the millisecond', async () => {
        const now = await clockWithin(300, 700)
        await listed(eva(), { past: now - 1, older: now - 5 * MINUTE, next: now + MINUTE })
        await write([s1(), eva()])
        expect(Object.keys(await scores(eva()))).to.have.members(['next', 's1'])
      })

      it('forgets exactly those, at any time of a second: its microseconds have fewer digits at first', async () => {
        for (const [from, to] of [
          [10, 60],
          [300, 700],
        ] as const) {
          const before = await clockWithin(from, to)
          const second = before - (before % 1000)
          const entries = Array.from({ length: 10 * SECOND }, (_, ms) => [`ms${ms}`, second + ms] as const)
          await listed(eva(), Object.fromEntries(entries))
          await write([s1(), eva()])
          const after = await clock()
          const left = Object.values(await scores(eva()))
          expect(Math.min(...left)).to.be.within(before + 1, after + 1)
          expect(left).to.include(later)
          await db.client.del([s1(), eva()])
        }
      })

      it('names the key that is of another type, and writes no session', async () => {
        const wrong = async (keys: string[], expected: string) => {
          const error = await rejection(write(keys))
          expect(error).to.be.instanceOf(CorruptSessionError).and.have.property('key', expected)
        }
        await db.client.set(bob(), 'text')
        await expectUnchanged(() => wrong([s1(), bob()], bob()))
        await wrong([s1(), eva(), bob()], bob())
        expect(await db.raw('s1')).to.equal(null)
        await db.client.lPush(db.sessionKey('list'), 'x')
        await expectUnchanged(() => wrong([db.sessionKey('list'), eva()], db.sessionKey('list')))
      })

      it('passes on any other error of Redis', async () => {
        const error = await rejection(write([s1(), eva()], { until: 'never' as never }))
        expect(error).to.not.be.instanceOf(CorruptSessionError)
        expect(error.message).to.match(/not a valid float/)
        expect(await db.keys()).to.deep.equal([])
      })
    })
  }

  describe('replace', () => {
    const replace = (expected: string, record = 'r2', expires = later) =>
      call(replaceScript, [s1()], record, expires, expected)

    it('replaces exactly the expected record, and sets its expiry, later or sooner', async () => {
      await stored()
      expect(await replace('r1')).to.equal(1)
      expect([await db.raw('s1'), await db.expiry('s1')]).to.deep.equal(['r2', later])
      expect(await replace('r2', 'r3', soon)).to.equal(1)
      expect([await db.raw('s1'), await db.expiry('s1')]).to.deep.equal(['r3', soon])
    })

    it('answers like SET … IFEQ and GET if the record is another one, and changes nothing', async () => {
      await expectUnchanged(async () => {
        expect(await replace('r1')).to.equal(0)
        expect(await replace('')).to.equal(0)
      })
      await stored()
      await expectUnchanged(async () => expect(await replace('r0')).to.deep.equal(['r1']))
      await stored('')
      await expectUnchanged(async () => expect(await replace('r0')).to.deep.equal(['']))
      expect(await replace('')).to.equal(1)
    })

    it('names the key that is of another type', async () => {
      await db.client.lPush(s1(), 'x')
      await expectUnchanged(async () => expect(await rejection(replace('r1'))).to.have.property('key', s1()))
    })
  })

  describe('remove', () => {
    /** Each: id, expected record ('' for any record), message. */
    type Removing = [id: string, expected?: string, message?: string]
    const remove = (sessions: Removing[], channel = '', index: string | null = eva()) => {
      const keys = sessions.map(([id]) => db.sessionKey(id))
      const each = sessions.flatMap(([id, expected = '', message = '']) => [id, expected, message])
      return call(
        removeScript,
        index === null ? keys : [...keys, index],
        index === null ? 0 : 1,
        channel,
        ...each,
      )
    }

    beforeEach(async () => {
      await stored()
      await listed(eva(), { s1: latest, s2: soon, s3: later }, latest)
    })

    it('deletes the expected record, or any record, with its entry', async () => {
      for (const expected of ['r1', '']) {
        await stored()
        await listed(eva(), { s1: latest }, latest)
        expect(await remove([['s1', expected]])).to.deep.equal([1])
        expect(await db.raw('s1')).to.equal(null)
        await expectIndex(eva(), { s2: soon, s3: later }, later)
      }
    })

    it('deletes many sessions at once, and reports each', async () => {
      await stored('r2', soon, 's2')
      await db.client.lPush(db.sessionKey('s4'), 'x')
      await listed(eva(), { s4: soon, s5: soon }, latest)
      const replies = await remove([['s1', 'r1'], ['s2', 'r0'], ['s3'], ['s4', 'r4']])
      expect(replies).to.deep.equal([1, ['r2'], 0, 1])
      expect(await db.keys()).to.deep.equal([db.sessionKey('s2'), eva()].sort())
      await expectIndex(eva(), { s2: soon, s5: soon }, soon)
      expect(await remove([['s2'], ['s5']])).to.deep.equal([1, 0])
      expect(await db.keys()).to.deep.equal([])
    })

    it('answers with the record that is there instead, and changes nothing', async () => {
      await expectUnchanged(async () => expect(await remove([['s1', 'r0']])).to.deep.equal([['r1']]))
      await expectUnchanged(async () =>
        expect(await remove([['s1', 'r0']], '', null)).to.deep.equal([['r1']]),
      )
    })

    it('returns 0 if there is no record, and removes its entry', async () => {
      for (const expected of ['r1', '']) {
        await listed(eva(), { s1: latest }, latest)
        await db.client.del(s1())
        expect(await remove([['s1', expected]])).to.deep.equal([0])
        await expectIndex(eva(), { s2: soon, s3: later }, later)
      }
    })

    it('deletes a value of another type, for any expected record', async () => {
      for (const expected of ['r1', '']) {
        await db.client.del(s1())
        await db.client.lPush(s1(), 'x')
        expect(await remove([['s1', expected]])).to.deep.equal([1])
        expect(await db.client.exists(s1())).to.equal(0)
      }
    })

    it('of sessions without an owner touches no index, and does not mind one of another type', async () => {
      await stored('r4', soon, 's4')
      const index = await scores(eva())
      expect(await remove([['s1'], ['s4', 'r4']], '', null)).to.deep.equal([1, 1])
      expect(await scores(eva())).to.deep.equal(index)
      await stored()
      await db.client.set(bob(), 'text')
      expect(await remove([['s1', 'r1']], '', bob())).to.deep.equal([1])
      expect(await db.client.get(bob())).to.equal('text')
    })

    it('drops entries that have expired', async () => {
      await listed(eva(), { past: MINUTE })
      await remove([['s1', 'r1']])
      await expectIndex(eva(), { s2: soon, s3: later }, later)
    })

    it('publishes once for each deleted session, if it has a channel', async () => {
      await stored('r2', soon, 's2')
      const heard = await heardOn(s1(), async () => {
        await remove([['s1', 'r0', 'another record']], s1())
        const each: Removing[] = [
          ['s1', 'r1', 'one'],
          ['s3', '', 'none'],
          ['s2', '', 'two'],
        ]
        expect(await remove(each, s1())).to.deep.equal([1, 0, 1])
        await remove([['s1', 'r1', 'gone before']], s1())
        await stored()
        await remove([['s1', 'r1', 'unheard']])
      })
      expect(heard).to.deep.equal(['one', 'two'])
    })
  })

  describe('evict', () => {
    const evict = (limit: number, expected = '', channel = '', message = '') =>
      call(evictScript, [s1(), eva()], limit, channel, 's1', expected, message)

    beforeEach(async () => {
      await stored()
      await listed(eva(), { s1: soon, s2: later, past: MINUTE }, later)
    })

    it('deletes only while the user has more live sessions than allowed', async () => {
      expect(await evict(2)).to.equal(-1)
      expect(await evict(10)).to.equal(-1)
      expect(await db.raw('s1')).to.equal('r1')
      await expectIndex(eva(), { s1: soon, s2: later }, later)
      expect(await evict(1, 'r1')).to.equal(1)
      expect(await db.raw('s1')).to.equal(null)
      await expectIndex(eva(), { s2: later }, later)
    })

    it('deletes exactly the expected record, or returns the other record that is there', async () => {
      expect(await evict(1, 'r0')).to.deep.equal(['r1'])
      expect(await db.raw('s1')).to.equal('r1')
      await expectIndex(eva(), { s1: soon, s2: later }, later)
    })

    it('returns 0 if there is no record, and removes its entry', async () => {
      await db.client.del(s1())
      expect(await evict(1, 'r1')).to.equal(0)
      await expectIndex(eva(), { s2: later }, later)
    })

    it('publishes once if it deleted a session and has a channel', async () => {
      const heard = await heardOn(s1(), async () => {
        await evict(2, '', s1(), 'within the limit')
        await evict(1, 'r0', s1(), 'another record')
        expect(await evict(1, 'r1', s1(), 'gone')).to.equal(1)
        await evict(0, 'r1', s1(), 'gone before')
      })
      expect(heard).to.deep.equal(['gone'])
    })

    it('names the index that is of another type, and deletes nothing', async () => {
      await db.client.del(eva())
      await db.client.set(eva(), 'text')
      await expectUnchanged(async () => expect(await rejection(evict(0))).to.have.property('key', eva()))
    })
  })

  /** Resolves to the messages on a channel during the work. */
  async function heardOn(channel: string, work: () => Promise<unknown>): Promise<string[]> {
    const subscriber = await db.client.duplicate().connect()
    const heard: string[] = []
    await subscriber.subscribe([channel, ''], (message) => heard.push(message))
    try {
      await work()
      await db.client.publish(channel, 'last')
      while (heard.at(-1) !== 'last') await new Promise((resolve) => setTimeout(resolve, 5))
    } finally {
      await subscriber.close()
    }
    return heard.slice(0, -1)
  }

  it('mark leaves nothing behind', async () => {
    await expectUnchanged(async () => expect(await call(emptyWriteScript, [s1()])).to.equal(1))
  })

  /** A score with marks: how many writes have reserved the entry, and the stamp of the current work. */
  const marked = (score: number, makers: number, stamp: number) =>
    score + (8 * makers + stamp) / (score < year3084 ? 128 : 32)
  /** Scripts return a score as a string with seven digits. */
  const said = (score: number) => score.toFixed(7)

  describe('condemn', () => {
    const condemn = (id: string, limit: number | '' = '', isSeen = false) =>
      call(condemnScript, [eva()], id, limit, isSeen ? '1' : '')

    it('stamps an entry, each time with another stamp', async () => {
      await listed(eva(), { s1: soon, s2: later, past: MINUTE })
      for (const stamp of [5, 6, 7, 4, 5]) {
        expect(await condemn('s1')).to.equal(said(marked(soon, 0, stamp)))
        await expectIndex(eva(), { s1: marked(soon, 0, stamp), s2: later }, later)
      }
    })

    it('stamps an entry whose end is being moved', async () => {
      for (const stamp of [1, 2, 3]) {
        await listed(eva(), { s1: marked(soon, 0, stamp) })
        const removed = 4 + ((stamp + 1) % 4)
        expect(await condemn('s1')).to.equal(said(marked(soon, 0, removed)))
        await expectIndex(eva(), { s1: marked(soon, 0, removed) }, soon + 1)
      }
    })

    it('leaves a reserved entry, unless its only maker found none and the session was seen', async () => {
      for (const [makers, stamp] of [
        [1, 0],
        [1, 2],
        [2, 0],
        [3, 1],
      ] as const) {
        await listed(eva(), { s1: marked(soon, makers, stamp) })
        const isFresh = makers === 1 && stamp === 0
        expect(await condemn('s1')).to.equal('')
        await expectIndex(eva(), { s1: marked(soon, makers, stamp) }, soon + 1)
        expect(await condemn('s1', '', true)).to.equal(isFresh ? said(marked(soon, 0, 5)) : '')
      }
    })

    it('with a limit stamps only while more entries stay than that', async () => {
      await listed(eva(), { s1: soon, s2: later, s3: latest, past: MINUTE })
      expect(await condemn('s1', 3)).to.equal('enough')
      await expectIndex(eva(), { s1: soon, s2: later, s3: latest }, latest)
      expect(await condemn('s3', 2)).to.equal(said(marked(latest, 0, 5)))
      expect(await condemn('s1', 2)).to.equal('enough')
      expect(await condemn('s1', 10)).to.equal('enough')
      expect(await condemn('s2', 1)).to.equal(said(marked(later, 0, 5)))
      expect(await condemn('s1', 0)).to.equal(said(marked(soon, 0, 5)))
      const all = { s1: marked(soon, 0, 5), s2: marked(later, 0, 5), s3: marked(latest, 0, 5) }
      await expectIndex(eva(), all, latest + 1)
    })

    it('counts reserved and moving entries as staying, and stamps a stamped entry at any limit', async () => {
      await listed(eva(), {
        ...{ s1: marked(soon, 0, 4), s2: marked(later, 1, 0), s3: marked(later, 0, 3), s4: later },
      })
      expect(await condemn('s4', 3)).to.equal('enough')
      expect(await condemn('s1', 10)).to.equal(said(marked(soon, 0, 5)))
      expect(await condemn('s4', 2)).to.equal(said(marked(later, 0, 5)))
    })

    it("returns '' if there is no such entry or it has expired, and makes none", async () => {
      await listed(eva(), { s2: later, s1: MINUTE, s3: marked(MINUTE, 0, 4) }, later)
      for (const id of ['s1', 's3', 'never']) expect(await condemn(id, 0)).to.equal('')
      await expectIndex(eva(), { s2: later }, later)
    })

    it('names the index that is of another type', async () => {
      await db.client.set(eva(), 'text')
      expect(await rejection(condemn('s1', 0))).to.have.property('key', eva())
    })
  })

  it('read returns records and true expiries, and nil for values that are not sessions', async () => {
    await stored()
    await db.client.set(db.sessionKey('endless'), 'r2')
    await db.client.lPush(db.sessionKey('list'), 'x')
    await db.client.pExpireAt(db.sessionKey('list'), later)
    const keys = ['list', 's1', 'gone', 'endless', 's1'].map((id) => db.sessionKey(id))
    expect(await call(readScript, keys)).to.deep.equal([
      ...[null, later],
      ...['r1', soon],
      ...[null, -2],
      ...['r2', -1],
      ...['r1', soon],
    ])
    expect(await call(readScript, [])).to.deep.equal([])
  })

  it('page reads an index of any size, with about the given number of entries at a time', async () => {
    const entries = Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`s${n}`, soon + n]))
    await listed(eva(), entries)
    const found: Record<string, number> = {}
    const sizes: number[] = []
    let cursor = '0'
    do {
      const [next, flat] = (await call(pageScript, [eva()], cursor, 50)) as [string, string[]]
      for (let n = 0; n < flat.length; n += 2) found[flat[n] as string] = Number(flat[n + 1])
      sizes.push(flat.length / 2)
      cursor = next
    } while (cursor !== '0')
    expect(found).to.deep.equal(entries)
    expect(Math.max(...sizes)).to.be.within(50, 150)
    await db.client.set(bob(), 'text')
    expect(await rejection(call(pageScript, [bob()], 0, 50))).to.have.property('key', bob())
  })

  describe('reconcile', () => {
    /** Each: id, the right score ('' to remove the entry), the record that was read. */
    const reconcile = (...seen: [id: string, score: number | '', record: string][]) =>
      call(reconcileScript, [eva(), ...seen.map(([id]) => db.sessionKey(id))], ...seen.flat())

    it('sets the right score of an entry, later or sooner, and drops entries of missing or foreign sessions', async () => {
      await stored('r1', soon, 's1')
      await stored('r2', later, 's2')
      await stored('r3', later, 's3')
      await listed(eva(), { s2: soon, s3: latest, gone: latest, goneToo: latest, other: soon }, latest)
      expect(
        await reconcile(
          ['s1', later, 'r1'],
          ['gone', '', ''],
          ['s2', '', 'r2'],
          ['s3', soon, 'r3'],
          ['goneToo', soon, 'r9'],
        ),
      ).to.deep.equal([])
      await expectIndex(eva(), { s1: later, s3: soon, other: soon }, later)
    })

    it('leaves entries whose record has changed since, and returns their ids', async () => {
      await stored('new', later, 's1')
      await stored('new', later, 's2')
      await stored('r3', latest, 's3')
      await listed(eva(), { s1: soon, s2: soon, s3: soon }, soon)
      expect(await reconcile(['s1', later, 'r1'], ['s3', latest, 'r3'], ['s2', '', 'r2'])).to.deep.equal([
        's1',
        's2',
      ])
      await expectIndex(eva(), { s1: soon, s2: soon, s3: latest }, latest)
    })

    it('names an index of another type, even if there is nothing to change', async () => {
      await db.client.set(eva(), 'text')
      await stored('new')
      const error = await rejection(reconcile(['s1', soon, 'r1']))
      expect(error).to.be.instanceOf(CorruptSessionError).and.have.property('key', eva())
    })

    it('creates the index if there is none', async () => {
      await stored()
      expect(await reconcile(['s1', soon, 'r1'])).to.deep.equal([])
      await expectIndex(eva(), { s1: soon }, soon)
    })

    it('keeps the entry of a session of another type, and removes it if the caller found that it belongs to nobody', async () => {
      await db.client.lPush(db.sessionKey('s2'), 'x')
      await listed(eva(), { s1: soon, s2: later }, latest)
      expect(await reconcile(['s2', later, '']), 'a value of another type').to.deep.equal(['s2'])
      await expectIndex(eva(), { s1: soon, s2: later }, later)
    })
  })

  describe('reserve', () => {
    const reserve = (until: number, limit: number | '' = '') =>
      call(reserveScript, [eva()], 's1', until, limit)

    it('lists a session before its write, and returns that it was not listed', async () => {
      expect(await reserve(soon)).to.deep.equal(['', said(marked(soon, 1, 0))])
      await expectIndex(eva(), { s1: marked(soon, 1, 0) }, soon + 1)
    })

    it('counts fewer makers of an entry that ends after the year 3084', async () => {
      for (const [makers, until, counted] of [
        [1, year3084, 2],
        [2, year9999, 3],
        [3, year9999, 3],
        [9, year9999, 3],
      ] as const) {
        await listed(eva(), { s1: marked(makers > 3 ? later : year3084, makers, 0) }, latest)
        const [, is] = (await reserve(until)) as [string, string]
        expect(is).to.equal(said(marked(until, counted, 1)))
        await expectIndex(eva(), { s1: marked(until, counted, 1) }, until + 1)
      }
    })

    it('lists a listed session for at least as long as before, with another stamp', async () => {
      for (const [makers, stamp] of [
        [0, 0],
        [0, 1],
        [0, 3],
        [0, 4],
        [1, 0],
        [2, 2],
        [3, 1],
        [14, 2],
        [15, 1],
      ] as const) {
        for (const until of [soon, latest]) {
          const before = marked(later, makers, stamp)
          await listed(eva(), { s1: before }, latest)
          const score = marked(Math.max(later, until), Math.min(makers + 1, 15), (stamp % 3) + 1)
          const [was, is] = (await reserve(until)) as [string, string]
          expect([Number(was), is]).to.deep.equal([before, said(score)])
          await expectIndex(eva(), { s1: score }, Math.ceil(score))
        }
      }
    })

    it('refuses one beyond the limit, and changes nothing; entries that have expired do not count', async () => {
      await listed(eva(), { s2: soon, s3: marked(later, 1, 0) }, later)
      await db.client.pExpireAt(eva(), later + 1)
      await expectUnchanged(async () => {
        expect(await reserve(soon, 2)).to.equal('full')
        expect(await reserve(soon, 1)).to.equal('full')
      })
      await listed(eva(), { s4: MINUTE })
      expect(await reserve(soon, 3)).to.deep.equal(['', said(marked(soon, 1, 0))])
      await expectIndex(eva(), { s1: marked(soon, 1, 0), s2: soon, s3: marked(later, 1, 0) }, later + 1)
    })

    it('counts no session that the index lists already', async () => {
      await listed(eva(), { s1: soon, s2: soon }, soon)
      expect(await reserve(soon, 1)).to.deep.equal([String(soon), said(marked(soon, 1, 1))])
    })

    it('counts a session whose own entry has ended', async () => {
      await listed(eva(), { s1: MINUTE, s2: soon, s3: soon }, soon)
      expect(await reserve(soon, 2)).to.equal('full')
    })

    it('names the index that is of another type', async () => {
      await db.client.set(eva(), 'text')
      expect(await rejection(reserve(soon))).to.have.property('key', eva())
    })
  })

  describe('raise', () => {
    const raise = (until: number, settles = false) =>
      call(raiseScript, [eva()], 's1', until, settles ? '1' : '')

    it('lists a session, or lists it for longer but never for shorter, and returns the scores before and after', async () => {
      expect(await raise(later)).to.deep.equal(['', String(later)])
      await expectIndex(eva(), { s1: later }, later)
      expect(await raise(latest)).to.deep.equal([String(later), String(latest)])
      await expectIndex(eva(), { s1: latest }, latest)
      expect(await raise(soon)).to.deep.equal([String(latest), String(latest)])
      await expectIndex(eva(), { s1: latest }, latest)
    })

    it('stamps the entry for a caller that settles it afterwards, each time with another stamp', async () => {
      expect(await raise(soon, true)).to.deep.equal(['', said(marked(soon, 0, 1))])
      await db.client.del(eva())
      await listed(eva(), { s1: later }, later)
      for (const [until, ends, stamp] of [
        [soon, later, 1],
        [later, later, 2],
        [latest, latest, 3],
        [soon, latest, 1],
      ] as const) {
        const [before, score] = (await raise(until, true)) as [string, string]
        expect(Number(before)).to.equal(stamp === 1 ? ends : marked(later, 0, stamp - 1))
        expect(score).to.equal(said(marked(ends, 0, stamp)))
        await expectIndex(eva(), { s1: marked(ends, 0, stamp) }, ends + 1)
        if (stamp === 3) await listed(eva(), { s1: latest })
      }
    })

    it('without a stamp leaves a longer entry as it is, marks included', async () => {
      for (const before of [marked(later, 0, 2), marked(later, 0, 5)]) {
        await listed(eva(), { s1: before }, later)
        expect(((await raise(later)) as string[]).map(Number)).to.deep.equal([before, before])
        await expectIndex(eva(), { s1: before }, later + 1)
      }
    })

    it('ends the work of others on an entry that it raises, or stamps', async () => {
      for (const stamp of [2, 5]) {
        await listed(eva(), { s1: marked(later, 0, stamp) })
        await raise(latest)
        await expectIndex(eva(), { s1: latest }, latest)
        for (const until of [soon, latest]) {
          await listed(eva(), { s1: marked(later, 0, stamp) })
          await raise(until, true)
          const score = marked(Math.max(later, until), 0, (stamp % 3) + 1)
          await expectIndex(eva(), { s1: score }, Math.ceil(score))
        }
      }
    })

    it('keeps an entry reserved, with another stamp', async () => {
      for (const [makers, stamp] of [
        [1, 0],
        [2, 3],
        [3, 1],
      ] as const) {
        for (const settles of [false, true]) {
          for (const until of [soon, latest]) {
            const before = marked(later, makers, stamp)
            await listed(eva(), { s1: before })
            const score = marked(Math.max(later, until), makers, (stamp % 3) + 1)
            expect(((await raise(until, settles)) as string[]).map(Number)).to.deep.equal([before, score])
            await expectIndex(eva(), { s1: score }, Math.ceil(score))
          }
        }
      }
    })

    it('names the index that is of another type', async () => {
      await db.client.set(eva(), 'text')
      expect(await rejection(raise(soon))).to.have.property('key', eva())
    })
  })

  describe('settle', () => {
    const settle = (began: number, to: number | '', { id = 's1', reserved = false } = {}) =>
      call(settleScript, [eva()], id, said(began), to, reserved ? '1' : '')

    beforeEach(() => listed(eva(), { s1: latest, s2: soon }, latest))

    it('sets another score of an entry, or removes it, if it still has the score that the work began with', async () => {
      for (const reserved of [false, true]) {
        await listed(eva(), { s1: marked(latest, 0, 2), s2: soon })
        expect(await settle(marked(latest, 0, 2), later, { reserved })).to.equal(1)
        await expectIndex(eva(), { s1: later, s2: soon }, later)
        expect(await settle(later, '', { reserved })).to.equal(1)
        await expectIndex(eva(), { s2: soon }, soon)
      }
      await settle(soon, '', { id: 's2' })
      expect(await db.keys()).to.deep.equal([])
    })

    it('leaves an entry that other work has changed, even if only the stamp is different', async () => {
      for (const now of [latest, marked(latest, 0, 2), marked(latest, 1, 1), later]) {
        await listed(eva(), { s1: now })
        await db.client.pExpireAt(eva(), Math.ceil(now))
        await expectUnchanged(async () => {
          expect(await settle(marked(latest, 0, 1), '')).to.equal(-1)
          expect(await settle(marked(latest, 0, 1), soon)).to.equal(-1)
        })
      }
    })

    it('ends exactly one reservation of an entry that other work has changed', async () => {
      const began = marked(soon, 1, 0)
      for (const [before, after] of [
        [marked(latest, 1, 2), latest],
        [marked(latest, 2, 3), marked(latest, 1, 3)],
        [marked(latest, 14, 3), marked(latest, 13, 3)],
        // More makers than the marks can count: it stays reserved until its end.
        [marked(latest, 15, 1), marked(latest, 15, 1)],
        [marked(year3084, 2, 1), marked(year3084, 1, 1)],
        [marked(year3084, 3, 1), marked(year3084, 3, 1)],
        [marked(latest, 0, 5), marked(latest, 0, 5)],
        [latest, latest],
      ] as const) {
        for (const to of ['', later] as const) {
          await listed(eva(), { s1: before })
          expect(await settle(began, to, { reserved: true })).to.equal(-1)
          await expectIndex(eva(), { s1: after, s2: soon }, Math.ceil(after))
        }
      }
    })

    it('makes none', async () => {
      await expectUnchanged(async () => {
        expect(await settle(latest, soon, { id: 's3' })).to.equal(0)
        expect(await settle(latest, soon, { id: 's3', reserved: true })).to.equal(0)
        expect(await settle(latest, '', { id: 's3' })).to.equal(0)
      })
    })

    it('keeps the index as long as its longest entry lives, and drops expired entries', async () => {
      await listed(eva(), { s3: marked(later, 0, 4), past: MINUTE })
      await settle(latest, '')
      await expectIndex(eva(), { s2: soon, s3: marked(later, 0, 4) }, later + 1)
    })

    it('names the index that is of another type', async () => {
      await db.client.del(eva())
      await db.client.set(eva(), 'text')
      expect(await rejection(settle(latest, ''))).to.have.property('key', eva())
    })
  })
})
