/** The Lua scripts do what their headers say: outcomes, what they write, and that what they refuse changes nothing. */
import { expect } from 'chai'
import { CorruptSessionError } from '../../src/index.ts'
import {
  condemnScript,
  evictScript,
  listsScript,
  lowerScript,
  pageScript,
  raiseScript,
  readScript,
  reconcileScript,
  removeScript,
  run,
  type Script,
  touchScript,
  writeScript,
} from '../../src/redis/scripts.ts'
import { HOUR, MINUTE, rejection, SECOND, useDatabase } from '../support/database.ts'

describe('The script', () => {
  const db = useDatabase()
  const soon = Date.now() + HOUR
  const later = soon + HOUR
  const latest = later + HOUR
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

  describe('write', () => {
    it('makes a session that does not exist, with its entry', async () => {
      expect(await call(writeScript, [s1(), eva()], 's1', soon, '', 'r1', 1)).to.equal(soon)
      expect(await db.raw('s1')).to.equal('r1')
      expect(await db.expiry('s1')).to.equal(soon)
      await expectIndex(eva(), { s1: soon }, soon)
    })

    it('replaces exactly the expected record, later or sooner', async () => {
      await stored()
      await listed(eva(), { s1: soon }, soon)
      for (const [expected, next, expires] of [
        ['r1', 'r2', later],
        ['r2', 'r3', soon],
        ['r3', 'r4', soon],
      ] as const) {
        expect(await call(writeScript, [s1(), eva()], 's1', expires, '', next, 1, expected)).to.equal(expires)
        expect(await db.raw('s1')).to.equal(next)
        expect(await db.expiry('s1')).to.equal(expires)
        await expectIndex(eva(), { s1: expires }, expires)
      }
    })

    it('answers with the record that is there instead, or 0 where there is none, and changes nothing', async () => {
      await expectUnchanged(async () => {
        expect(await call(writeScript, [s1(), eva()], 's1', soon, '', 'r2', 1, 'r1')).to.equal(0)
      })
      await stored()
      await expectUnchanged(async () => {
        expect(await call(writeScript, [s1(), eva()], 's1', later, '', 'r2', 1)).to.deep.equal(['r1'])
        expect(await call(writeScript, [s1(), eva()], 's1', later, '', 'r2', 1, 'r0')).to.deep.equal(['r1'])
      })
    })

    it('keeps a TTL, in the entry too, and gives one where there is none', async () => {
      await stored()
      expect(await call(writeScript, [s1(), eva()], 's1', latest, 'keep', 'r2', 1, 'r1')).to.equal(soon)
      expect([await db.raw('s1'), await db.expiry('s1')]).to.deep.equal(['r2', soon])
      await expectIndex(eva(), { s1: soon }, soon)
      await db.client.persist(s1())
      expect(await call(writeScript, [s1(), eva()], 's1', latest, 'keep', 'r3', 1, 'r2')).to.equal(latest)
      expect(await db.expiry('s1')).to.equal(latest)
      await expectIndex(eva(), { s1: latest }, latest)
    })

    it('moves the entry from one user to another, and out of all indexes where it has no user', async () => {
      await stored()
      await listed(bob(), { s1: soon, s2: later, s3: MINUTE }, soon)
      await call(writeScript, [s1(), eva(), bob()], 's1', soon, '', 'r2', 1, 'r1')
      await expectIndex(eva(), { s1: soon }, soon)
      await expectIndex(bob(), { s2: later }, later)
      await call(writeScript, [s1(), eva(), bob()], 's1', soon, '', 'r3', 0, 'r2')
      expect(await scores(eva())).to.deep.equal({})
      await expectIndex(bob(), { s2: later }, later)
      expect(await db.raw('s1')).to.equal('r3')
    })

    it('the index lives as long as its longest session, whatever its own TTL was', async () => {
      const write = (expires: number) => call(writeScript, [s1(), eva()], 's1', expires, '', 'r1', 1, 'r1')
      await stored()
      await listed(eva(), { s2: later }, latest + HOUR)
      await write(soon)
      await expectIndex(eva(), { s1: soon, s2: later }, later)
      await write(latest)
      await expectIndex(eva(), { s1: latest, s2: later }, latest)
      await write(soon)
      await expectIndex(eva(), { s1: soon, s2: later }, later)
      await db.client.persist(eva())
      await write(latest)
      await expectIndex(eva(), { s1: latest, s2: later }, latest)
    })

    it('forgets entries that have expired by Redis’s clock, to the millisecond', async () => {
      const now = await clockWithin(300, 700)
      await listed(eva(), { past: now - 1, older: now - 5 * MINUTE, next: now + MINUTE })
      await call(writeScript, [s1(), eva()], 's1', soon, '', 'r1', 1)
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
        await call(writeScript, [s1(), eva()], 's1', soon, '', 'r1', 1)
        const after = await clock()
        const left = Object.values(await scores(eva()))
        expect(Math.min(...left)).to.be.within(before + 1, after + 1)
        expect(left).to.include(soon)
        await db.client.del([s1(), eva()])
      }
    })

    it('names the key that is of another type, and writes nothing', async () => {
      const wrong = async (keys: string[], expected: string) => {
        const error = await rejection(call(writeScript, keys, 's1', soon, '', 'r1', 1))
        expect(error).to.be.instanceOf(CorruptSessionError).and.have.property('key', expected)
      }
      await db.client.set(bob(), 'text')
      await expectUnchanged(() => wrong([s1(), bob()], bob()))
      await wrong([s1(), eva(), bob()], bob())
      expect(await db.raw('s1')).to.equal(null)
      await db.client.lPush(db.sessionKey('list'), 'x')
      await expectUnchanged(() => wrong([db.sessionKey('list'), eva()], db.sessionKey('list')))
    })

    it('any other error of Redis is what it is', async () => {
      const error = await rejection(call(writeScript, [s1(), eva()], 's1', 'never', '', 'r1', 1))
      expect(error).to.not.be.instanceOf(CorruptSessionError)
      expect(error.message).to.match(/not a valid float/)
      expect(await db.keys()).to.deep.equal([])
    })
  })

  for (const [name, script, more] of [
    ['remove', removeScript, []],
    ['evict', evictScript, [1]],
  ] as const) {
    describe(name, () => {
      /** An expected record of '' is none. */
      const remove = (expected = '', channel = '', message = '', keys = [s1(), eva()]) => {
        const expectation = name === 'remove' && expected === '' ? [] : [expected]
        return call(script, keys, 's1', channel, message, ...expectation, ...more)
      }

      beforeEach(async () => {
        await stored()
        await listed(eva(), { s1: latest, s2: soon, s3: later }, latest)
      })

      it('deletes the expected record, or whatever is there, with its entry', async () => {
        for (const expected of ['r1', '']) {
          await stored()
          await listed(eva(), { s1: latest }, latest)
          expect(await remove(expected)).to.equal(1)
          expect(await db.raw('s1')).to.equal(null)
          await expectIndex(eva(), { s2: soon, s3: later }, later)
        }
      })

      it('answers with the record that is there instead, and changes nothing', async () => {
        await expectUnchanged(async () => expect(await remove('r0')).to.deep.equal(['r1']))
      })

      it('answers 0 where there is none, and removes its entry', async () => {
        for (const expected of ['r1', '']) {
          await listed(eva(), { s1: latest }, latest)
          await db.client.del(s1())
          expect(await remove(expected)).to.equal(0)
          await expectIndex(eva(), { s2: soon, s3: later }, later)
        }
      })

      it('deletes a value of another type, whatever was expected', async () => {
        for (const expected of ['r1', '']) {
          await db.client.del(s1())
          await db.client.lPush(s1(), 'x')
          expect(await remove(expected)).to.equal(1)
          expect(await db.client.exists(s1())).to.equal(0)
        }
      })

      it('publishes that it deleted something, where it has a channel, once', async () => {
        const subscriber = await db.client.duplicate().connect()
        const heard: string[] = []
        const channels = ['', s1()]
        await subscriber.subscribe(channels, (message, channel) => heard.push(`${channel}: ${message}`))
        try {
          await remove('r0', s1(), 'another record')
          expect(await remove('r1', s1(), 'gone')).to.equal(1)
          await remove('r1', s1(), 'gone before')
          await stored()
          await listed(eva(), { s1: latest })
          await remove('r1', '', 'unheard')
          await db.client.publish(s1(), 'last')
          while (!heard.at(-1)?.endsWith('last')) await new Promise((resolve) => setTimeout(resolve, 5))
        } finally {
          await subscriber.close()
        }
        expect(heard).to.deep.equal([`${s1()}: gone`, `${s1()}: last`])
      })
    })
  }

  it('remove leaves the entry in no index that it is given, and does not mind one of another type', async () => {
    await stored()
    await db.client.set(db.indexKey('text'), 'text')
    await listed(eva(), { s1: soon, s2: later }, later)
    await listed(bob(), { s1: soon })
    const keys = [s1(), db.indexKey('text'), eva(), bob()]
    expect(await call(removeScript, keys, 's1', '', '')).to.equal(1)
    await expectIndex(eva(), { s2: later }, later)
    expect(await db.keys()).to.deep.equal([db.indexKey('text'), eva()].sort())
  })

  it('evict deletes only while the user has more live sessions than he may', async () => {
    const evict = (limit: number) => call(evictScript, [s1(), eva()], 's1', '', '', '', limit)
    await stored()
    await listed(eva(), { s1: soon, s2: later, past: MINUTE }, later)
    expect(await evict(2)).to.equal(-1)
    expect(await evict(10)).to.equal(-1)
    expect(await db.raw('s1')).to.equal('r1')
    await expectIndex(eva(), { s1: soon, s2: later }, later)
    expect(await evict(1)).to.equal(1)
    expect(await db.raw('s1')).to.equal(null)
    await expectIndex(eva(), { s2: later }, later)
  })

  describe('touch', () => {
    const touch = (
      keys: string[],
      expires: number,
      expected: string,
      head: string,
      last = expected.length - 1,
    ) => call(touchScript, keys, 's1', expires, last, expected, head)

    it('changes how the record begins, and moves TTL and entry, later or sooner', async () => {
      await stored('old-rest')
      await listed(eva(), { s1: soon, s2: later, s3: MINUTE }, later)
      expect(await touch([s1(), eva()], latest, 'old-', 'new-')).to.equal(1)
      expect([await db.raw('s1'), await db.expiry('s1')]).to.deep.equal(['new-rest', latest])
      await expectIndex(eva(), { s1: latest, s2: later }, latest)
      expect(await touch([s1(), eva()], soon, 'new-', 'old-')).to.equal(1)
      expect([await db.raw('s1'), await db.expiry('s1')]).to.deep.equal(['old-rest', soon])
      await expectIndex(eva(), { s1: soon, s2: later }, later)
    })

    it('leaves what another write has changed behind the beginning', async () => {
      await stored('old-changed meanwhile')
      await listed(eva(), { s1: soon }, soon)
      expect(await touch([s1(), eva()], later, 'old-', 'new-')).to.equal(1)
      expect(await db.raw('s1')).to.equal('new-changed meanwhile')
    })

    it('of an anonymous session needs no index', async () => {
      await stored('old-rest')
      await expectUnchanged(async () => {
        expect(await touch([s1()], later, 'old-best', 'new-')).to.equal(0)
      })
      expect(await touch([s1()], later, 'old-rest', 'new-')).to.equal(1)
      expect([await db.raw('s1'), await db.expiry('s1')]).to.deep.equal(['new-rest', later])
    })

    it('changes nothing where the session is gone, begins otherwise, or is listed elsewhere or so already', async () => {
      await listed(eva(), { s1: soon, s2: later }, later)
      await listed(bob(), { s2: later }, later)
      await expectUnchanged(async () => {
        expect(await touch([s1(), eva()], later, 'old-', 'new-')).to.equal(0)
        expect(await touch([s1()], later, 'old-', 'new-')).to.equal(0)
      })
      await stored('old-rest')
      await expectUnchanged(async () => {
        expect(await touch([s1(), eva()], later, 'odd-', 'new-')).to.equal(0)
        expect(await touch([s1(), bob()], later, 'old-', 'new-')).to.equal(0)
        expect(await touch([s1(), eva()], soon, 'old-', 'new-')).to.equal(0)
      })
    })

    it('names the key of another type, and changes nothing', async () => {
      await db.client.hSet(s1(), 'field', 'value')
      await listed(eva(), { s1: soon }, soon)
      await expectUnchanged(async () => {
        const error = await rejection(touch([s1(), eva()], later, 'old-', 'new-'))
        expect(error).to.be.instanceOf(CorruptSessionError).with.property('key', s1())
      })
      await db.client.del([s1(), eva()])
      await stored('old-rest')
      await db.client.set(eva(), 'no index')
      await expectUnchanged(async () => {
        const error = await rejection(touch([s1(), eva()], later, 'old-', 'new-'))
        expect(error).to.be.instanceOf(CorruptSessionError).with.property('key', eva())
      })
    })
  })

  describe('condemn', () => {
    const condemn = (id: string, limit: number) => call(condemnScript, [eva()], id, limit)

    it('marks entries while there are more than the limit that are not marked', async () => {
      await listed(eva(), { s1: soon, s2: later, s3: latest, past: MINUTE })
      expect(await condemn('s1', 3)).to.equal(-1)
      await expectIndex(eva(), { s1: soon, s2: later, s3: latest }, latest)
      expect(await condemn('s3', 2)).to.equal(1)
      await expectIndex(eva(), { s1: soon, s2: later, s3: -latest }, latest)
      expect(await condemn('s1', 2)).to.equal(-1)
      expect(await condemn('s1', 10)).to.equal(-1)
      expect(await condemn('s2', 1)).to.equal(1)
      expect(await condemn('s1', 0)).to.equal(1)
      await expectIndex(eva(), { s1: -soon, s2: -later, s3: -latest }, latest)
    })

    it('says so of one that is marked already, at any limit', async () => {
      await listed(eva(), { s1: -soon, s2: later }, later)
      await expectUnchanged(async () => expect(await condemn('s1', 10)).to.equal(1))
    })

    it('says 0 where there is no such entry, or it has expired, and makes none', async () => {
      await listed(eva(), { s2: later, s1: MINUTE, s3: -MINUTE }, later)
      for (const id of ['s1', 's3', 'never']) expect(await condemn(id, 0)).to.equal(0)
      await expectIndex(eva(), { s2: later }, later)
    })

    it('names the index that is of another type', async () => {
      await db.client.set(eva(), 'text')
      expect(await rejection(condemn('s1', 0))).to.have.property('key', eva())
    })
  })

  it('read tells records and true expiries, and nil of what is no session', async () => {
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

  it('page goes through an index of any size, about so many entries at a time', async () => {
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
    const reconcile = (...seen: [id: string, his: 0 | 1, record: string][]) =>
      call(reconcileScript, [eva(), ...seen.map(([id]) => db.sessionKey(id))], ...seen.flat())

    it('lists what is his under its true expiry, and no longer what is gone or not his', async () => {
      await stored('r1', soon, 's1')
      await stored('r2', later, 's2')
      await listed(eva(), { s2: soon, gone: latest, goneToo: latest, other: soon }, latest)
      expect(
        await reconcile(['s1', 1, 'r1'], ['gone', 0, ''], ['s2', 0, 'r2'], ['goneToo', 1, 'r9']),
      ).to.deep.equal([])
      await expectIndex(eva(), { s1: soon, other: soon }, soon)
    })

    it('leaves those whose record has changed since as they are, and tells which', async () => {
      await stored('new', later, 's1')
      await stored('new', later, 's2')
      await stored('r3', latest, 's3')
      await listed(eva(), { s1: soon, s2: soon, s3: soon }, soon)
      expect(await reconcile(['s1', 1, 'r1'], ['s3', 1, 'r3'], ['s2', 0, 'r2'])).to.deep.equal(['s1', 's2'])
      await expectIndex(eva(), { s1: soon, s2: soon, s3: latest }, latest)
    })

    it('names the index that is of another type, even where there is nothing to change', async () => {
      await db.client.set(eva(), 'text')
      await stored('new')
      const error = await rejection(reconcile(['s1', 1, 'r1']))
      expect(error).to.be.instanceOf(CorruptSessionError).and.have.property('key', eva())
    })

    it('makes the index where there is none', async () => {
      await stored()
      expect(await reconcile(['s1', 1, 'r1'])).to.deep.equal([])
      await expectIndex(eva(), { s1: soon }, soon)
    })

    it('leaves the entry of a session without a TTL, and of one of another type', async () => {
      await db.client.set(s1(), 'r1')
      await db.client.lPush(db.sessionKey('s2'), 'x')
      await listed(eva(), { s1: soon, s2: later }, latest)
      expect(await reconcile(['s1', 1, 'r1'], ['s2', 1, ''])).to.deep.equal(['s2'])
      await expectIndex(eva(), { s1: soon, s2: later }, later)
    })
  })

  describe('raise', () => {
    const raise = (score: number, replaces: number | '' = '') =>
      call(raiseScript, [eva()], 's1', score, replaces)

    it('lists, and lists for longer, but not for shorter; and tells the score before', async () => {
      expect(await raise(later)).to.equal('')
      await expectIndex(eva(), { s1: later }, later)
      expect(Number(await raise(latest))).to.equal(later)
      await expectIndex(eva(), { s1: latest }, latest)
      expect(Number(await raise(soon))).to.equal(latest)
      await expectIndex(eva(), { s1: latest }, latest)
    })

    it('replaces the one score that it may replace', async () => {
      await listed(eva(), { s1: latest }, latest)
      expect(Number(await raise(soon, later))).to.equal(latest)
      await expectIndex(eva(), { s1: latest }, latest)
      expect(Number(await raise(soon, latest))).to.equal(latest)
      await expectIndex(eva(), { s1: soon }, soon)
      expect(Number(await raise(later, latest))).to.equal(soon)
      await expectIndex(eva(), { s1: later }, later)
    })

    it('lists anew what is not listed, whatever it may replace', async () => {
      expect(await raise(soon, later)).to.equal('')
      await expectIndex(eva(), { s1: soon }, soon)
    })

    it('an entry of half a millisecond more, and one that is being evicted, count for the index’s end', async () => {
      await listed(eva(), { s2: -later })
      await raise(soon + 0.5)
      await expectIndex(eva(), { s1: soon + 0.5, s2: -later }, later)
      await raise(latest + 0.5)
      await expectIndex(eva(), { s1: latest + 0.5, s2: -later }, latest)
    })

    it('an entry that is being evicted and raised does so no longer', async () => {
      await listed(eva(), { s1: -later })
      expect(Number(await raise(soon))).to.equal(-later)
      await expectIndex(eva(), { s1: soon }, soon)
    })
  })

  describe('lower', () => {
    const lower = (expected: number | '', score: number | '', id = 's1') =>
      call(lowerScript, [eva()], id, expected, score)

    beforeEach(() => listed(eva(), { s1: latest, s2: soon }, latest))

    it('lowers or removes the entry with the expected score, or any', async () => {
      expect(await lower(latest, later)).to.equal(1)
      await expectIndex(eva(), { s1: later, s2: soon }, later)
      await lower('', latest)
      await expectIndex(eva(), { s1: latest, s2: soon }, latest)
      await lower(latest, '')
      await expectIndex(eva(), { s2: soon }, soon)
      await lower('', '', 's2')
      expect(await db.keys()).to.deep.equal([])
    })

    it('leaves one of another score, and makes none', async () => {
      await expectUnchanged(async () => {
        await lower(later, soon)
        await lower(later, '')
        await lower('', soon, 's3')
        await lower(latest, soon, 's3')
      })
    })

    it('lowers one that was confirmed meanwhile, but removes it only as it was seen', async () => {
      await lower(latest + 0.5, later)
      await expectIndex(eva(), { s1: later, s2: soon }, later)
      await expectUnchanged(() => lower(later + 0.5, ''))
      await expectUnchanged(() => lower(latest + 0.5, soon))
    })

    it('keeps the index as long as one that is being evicted lives', async () => {
      await listed(eva(), { s3: -later })
      await lower(latest, '')
      await expectIndex(eva(), { s2: soon, s3: -later }, later)
    })
  })

  it('lists tells whether an index lists a session; a key of another type, or none, lists nothing', async () => {
    await listed(eva(), { s1: soon })
    await db.client.set(bob(), 'text')
    expect(await call(listsScript, [eva()], 's1')).to.equal(1)
    expect(await call(listsScript, [eva()], 's2')).to.equal(0)
    expect(await call(listsScript, [bob()], 's1')).to.equal(0)
    expect(await call(listsScript, [db.indexKey('nobody')], 's1')).to.equal(0)
  })
})
