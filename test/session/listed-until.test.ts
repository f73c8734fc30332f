/** The time until which the index lists a session. Touches and saves must not move it without need. */
import { expect } from 'chai'
import { listedUntil } from '../../src/session/lifetime.ts'
import { HOUR } from '../support/database.ts'

const NOW = Date.UTC(2026, 0, 1)
const NO_END = Number.POSITIVE_INFINITY

describe('listedUntil', () => {
  const trueNow = Date.now
  afterEach(() => {
    Date.now = trueNow
  })

  const data = { cookie: { originalMaxAge: HOUR, expires: new Date(NOW + HOUR).toISOString() } }

  /** At this many ms after the session was made, for a session that expires an hour after `touched`. */
  function listed(after: number, touched: number, previous: number | null, session: object = data): number {
    Date.now = () => NOW + after
    return listedUntil(session as typeof data, NOW + touched + HOUR, NO_END, previous)
  }

  it('is an eighth of the lifetime after the expiry', () => {
    expect(listed(0, 0, null)).to.equal(NOW + HOUR + HOUR / 8)
  })

  it('stays the same for a save in the same millisecond, although time passes during the draft', () => {
    const first = listed(0, 0, null)
    for (const later of [0, 1, 8, 50]) expect(listed(later, 0, first), `${later} ms later`).to.equal(first)
  })

  it('stays the same for a touch until the expiry is beyond it', () => {
    const first = listed(0, 0, null)
    expect(listed(HOUR / 8, HOUR / 8, first)).to.equal(first)
    expect(listed(HOUR / 8 + 1, HOUR / 8 + 1, first)).to.equal(NOW + HOUR / 8 + 1 + HOUR + HOUR / 8)
  })

  it('becomes earlier if the session has less time left than its originalMaxAge', () => {
    const first = listed(0, 0, null)
    const left = HOUR / 2
    expect(listed(left, 0, first)).to.equal(NOW + HOUR + left / 8)
  })

  it('is the expiry if the app sets the expiry outright', () => {
    expect(listed(0, 0, null, { expires: new Date(NOW + HOUR).toISOString() })).to.equal(NOW + HOUR)
  })
})
