/** Valid timestamps: each is one instant, the same on every machine. */
import { expect } from 'chai'
import { checkTimestamp, dataExpiry } from '../../src/session/expiry.ts'
import { HOUR, useDatabase } from '../support/database.ts'
import { cookie, newSession } from '../support/sessions.ts'

const instants: [text: string, iso: string][] = [
  ['2999-01-01', '2999-01-01T00:00:00.000Z'],
  ['2999-01', '2999-01-01T00:00:00.000Z'],
  ['2999-01-01T10:00Z', '2999-01-01T10:00:00.000Z'],
  ['2999-01-01T10:00:00Z', '2999-01-01T10:00:00.000Z'],
  ['2999-01-01T10:00:00.5Z', '2999-01-01T10:00:00.500Z'],
  ['2999-01-01T10:00:00+02:00', '2999-01-01T08:00:00.000Z'],
  ['2999-01-01T10:00:00-0230', '2999-01-01T12:30:00.000Z'],
]
const noInstants = [
  '2999-01-01T10:00',
  '2999-01-01T10:00:00',
  '2999-01-01T10:00:00.000',
  '2999-01-01 10:00:00Z',
  '2999-01-01Z',
  'tomorrow',
  '',
]

describe('A timestamp', () => {
  for (const [text, iso] of instants) {
    it(`is ${text}, in any time zone`, () => {
      const { TZ } = process.env
      try {
        for (const zone of ['UTC', 'Asia/Kathmandu', 'America/New_York']) {
          process.env.TZ = zone
          expect(new Date(checkTimestamp(text, 'data.expires')).toISOString()).to.equal(iso)
        }
      } finally {
        if (TZ === undefined) delete process.env.TZ
        else process.env.TZ = TZ
      }
    })
  }

  for (const text of noInstants) {
    it(`is not '${text}'`, () => {
      expect(dataExpiry(text)).to.equal(null)
      expect(() => checkTimestamp(text, 'data.expires')).to.throw(
        TypeError,
        'data.expires must be an ISO 8601 timestamp, with an offset or Z if it has a time, got ',
      )
    })
  }
})

describe('A session whose own expires is not a timestamp', () => {
  const db = useDatabase()

  it('lives for the ttl of the store', async () => {
    const before = Date.now()
    const session = newSession({ userId: 'eva', expires: '2999-01-01T10:00:00' }, cookie(null))
    await db.store({ ttl: HOUR / 1000 }).set('s1', session)
    expect(await db.expiry('s1')).to.be.within(before + HOUR, Date.now() + HOUR)
  })
})
