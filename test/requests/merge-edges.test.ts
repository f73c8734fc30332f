/** Of the merge's rules, the edges: what counts as the same maxAge, and whose expiry holds where only one has an age. */
import { expect } from 'chai'
import { isSameAge, mergeSessions } from '../../src/requests/merge.ts'
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

  it('what express-session’s touch takes off an age is less than 100 ms, either way', () => {
    expect([HOUR - 99, HOUR, HOUR + 99].map((age) => isSameAge(age, HOUR))).to.deep.equal([true, true, true])
    expect([HOUR - 100, HOUR + 100].map((age) => isSameAge(age, HOUR))).to.deep.equal([false, false])
    expect([isSameAge(null, null), isSameAge(undefined, undefined)]).to.deep.equal([true, true])
    expect([isSameAge(null, undefined), isSameAge('1', 1)]).to.deep.equal([false, false])
  })

  it('theirs got an age while mine, which has none, was given another end by hand: theirs holds', () => {
    const stored = data(HOUR, at(HOUR))
    expect(mergeSessions(data(null, at(1)), data(null, at(2)), stored)).to.deep.equal(stored)
  })

  it('of two touches the later end holds, whoever made it', () => {
    const touched = (ms: number) => data(HOUR, at(ms))
    expect(mergeSessions(touched(0), touched(1), touched(5))).to.deep.equal(touched(5))
    expect(mergeSessions(touched(0), touched(5), touched(1))).to.deep.equal(touched(5))
  })

  it('undefined is a value, for a serializer that keeps it', () => {
    expect(mergeSessions({}, { a: undefined }, { b: 1 })).to.deep.equal({ a: undefined, b: 1 })
    expect(mergeSessions({ a: undefined }, {}, { a: undefined })).to.deep.equal({})
  })

  it('a cookie that is no object is a property like any other', () => {
    const merged = mergeSessions({ cookie: 'a' }, { cookie: 'a', n: 1 }, { cookie: 'b' })
    expect(merged).to.deep.equal({ cookie: 'b', n: 1 })
  })

  it('an end that is no date does not hold against one that is', () => {
    const base = data(HOUR, at(0))
    expect(mergeSessions(base, data(HOUR, at(2)), data(HOUR, 'never'))).to.deep.equal(data(HOUR, at(2)))
    const remembered = data(9 * HOUR, at(9 * HOUR))
    expect(mergeSessions(base, data(HOUR, 'never'), remembered)).to.deep.equal(remembered)
  })
})
