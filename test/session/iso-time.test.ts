/** `isoTime` gives the same text as `Date`. */
import { expect } from 'chai'
import fc from 'fast-check'
import { isoTime } from '../../src/session/iso-time.ts'

const LAST = 8.64e15

describe('isoTime', () => {
  function agrees(ms: number): void {
    expect(isoTime(ms), String(ms)).to.equal(new Date(ms).toISOString())
  }

  it('agrees with toISOString at any time', () => {
    fc.assert(fc.property(fc.double({ min: -LAST, max: LAST, noNaN: true }), agrees), { numRuns: 2000 })
  })

  it('agrees within one second and across its ends', () => {
    const start = Date.UTC(2026, 10, 27, 9, 30)
    for (let ms = -3; ms <= 1003; ms++) agrees(start + ms)
    for (let ms = 1003; ms >= -3; ms--) agrees(start + ms)
  })

  it('agrees before 1970, at fractions of a millisecond, and in years of five digits and more', () => {
    for (const ms of [0, -0, -1, -999, -1000, -1001, -0.5, 0.5, 1.999, -1.999]) agrees(ms)
    for (const ms of [Date.UTC(9999, 11, 31, 23, 59, 59, 999), Date.UTC(10_000, 0), LAST, -LAST]) agrees(ms)
  })

  it('throws as toISOString does for what is no time, and goes on after that', () => {
    for (const ms of [Number.NaN, LAST + 1, LAST + 999, LAST + 1000, -LAST - 1, Number.POSITIVE_INFINITY]) {
      agrees(LAST)
      expect(() => isoTime(ms), String(ms)).to.throw(RangeError)
      agrees(1)
    }
  })
})
