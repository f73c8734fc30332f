/** Edge cases of the merge: which maxAge counts as the same, and which cookie wins if both changed it. */
import { expect } from 'chai'
import { mergeSessions } from '../../src/requests/merge.ts'
import { isSameAge } from '../../src/session/cookie.ts'
import { HOUR } from '../support/database.ts'

describe('Guarantee 5, nothing lost: the edges of the merge', () => {
  const at = (ms: number) => new Date(Date.UTC(2999, 0, 1) + ms).toISOString()
  const data = (originalMaxAge: number | null, expires: string | null) => ({
    cookie: { originalMaxAge, expires, path: '/' },
  })

  it('a maxAge of less than the drift is not the same as none', () => {
    const [none, short] = [data(null, null), data(50, at(50))]
    expect(mergeSessions(none, short, none)).to.deep.equal(short)
    expect(mergeSessions(short, none, short)).to.deep.equal(none)
  })

  it('express-session’s touch loses less than 100 ms of a maxAge, in either direction', () => {
    expect([HOUR - 99, HOUR, HOUR + 99].map((age) => isSameAge(age, HOUR))).to.deep.equal([true, true, true])
    expect([HOUR - 100, HOUR + 100].map((age) => isSameAge(age, HOUR))).to.deep.equal([false, false])
    expect([isSameAge(null, null), isSameAge(undefined, undefined)]).to.deep.equal([true, true])
    expect([isSameAge(null, undefined), isSameAge('1', 1)]).to.deep.equal([true, false])
    expect([isSameAge(null, 50), isSameAge(50, undefined)]).to.deep.equal([false, false])
  })

  it('theirs got an age while mine, which has none, was given another end by hand: each holds', () => {
    const stored = data(HOUR, at(HOUR))
    expect(mergeSessions(data(null, at(1)), data(null, at(2)), stored)).to.deep.equal(data(HOUR, at(2)))
  })

  it('that loss does not count as a change against the other save', () => {
    const theirs = data(9 * HOUR, at(9 * HOUR))
    expect(mergeSessions(data(HOUR, at(0)), data(HOUR - 99, at(0)), theirs)).to.deep.equal(theirs)
    const mine = data(HOUR - 100, at(0))
    expect(mergeSessions(data(HOUR, at(0)), mine, theirs)).to.deep.equal(data(HOUR - 100, at(9 * HOUR)))
  })

  it('undefined is a value, for a serializer that keeps it', () => {
    expect(mergeSessions({}, { a: undefined }, { b: 1 })).to.deep.equal({ a: undefined, b: 1 })
    expect(mergeSessions({ a: undefined }, {}, { a: undefined })).to.deep.equal({})
  })

  it('a cookie that is no object is a property like any other', () => {
    const merged = mergeSessions({ cookie: 'a' }, { cookie: 'a', n: 1 }, { cookie: 'b' })
    expect(merged).to.deep.equal({ cookie: 'b', n: 1 })
  })

  it('only one of two has a cookie: it is a property like any other', () => {
    const [base, mine] = [{ n: 1 }, { n: 1, ...data(HOUR, at(1)) }]
    expect(mergeSessions(base, mine, { n: 2 })).to.deep.equal({ n: 2, ...data(HOUR, at(1)) })
    expect(mergeSessions(mine, { n: 3 }, mine)).to.deep.equal({ n: 3 })
  })

  it('data that is nested too deep to be compared is compared as JSON', () => {
    const deep = (end: unknown) => {
      let nested: unknown = end
      for (let n = 0; n < 3000; n++) nested = { nested }
      return nested
    }
    const merged = mergeSessions(
      { mine: deep(1), theirs: deep(1) },
      { mine: deep(2), theirs: deep(1) },
      { mine: deep(1), theirs: deep(3) },
    )
    expect(JSON.stringify(merged)).to.equal(JSON.stringify({ mine: deep(2), theirs: deep(3) }))
  })
})
