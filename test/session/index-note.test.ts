/** The note in a record's cookie: what it says, and what is left of the cookie without it. */
import { expect } from 'chai'
import { takeNote, withNote, withoutNote } from '../../src/session/index-note.ts'

const UNTIL = Date.UTC(2026, 10, 27)
const cookie = { originalMaxAge: 60_000, path: '/' }
const ofEva = { owner: 'eva', until: UNTIL }

describe('The note in a record', () => {
  it('says until when, and for whom only if the data names somebody else', () => {
    const noteOf = (data: object, entry: Parameters<typeof withNote>[1]) =>
      (withNote({ ...data, cookie }, entry).cookie as { index?: unknown }).index
    expect(noteOf({ userId: 'eva' }, ofEva)).to.deep.equal({ until: UNTIL })
    expect(noteOf({ passport: { user: 'eva' } }, ofEva)).to.deep.equal({ until: UNTIL })
    expect(noteOf({ userId: 'bob' }, ofEva)).to.deep.equal({ until: UNTIL, user: 'eva' })
    expect(noteOf({}, ofEva)).to.deep.equal({ until: UNTIL, user: 'eva' })
    expect(noteOf({ userId: 'bob' }, null)).to.deep.equal({ user: null })
    expect(noteOf({}, null)).to.equal(undefined)
  })

  it('is not needed without a cookie if `expires` and `userId` say everything', () => {
    const data = { userId: 'eva', expires: new Date(UNTIL).toISOString() }
    expect(withNote(data, ofEva)).to.equal(data)
    expect(withNote(data, { ...ofEva, until: UNTIL + 1 })).to.deep.equal({
      ...data,
      cookie: { index: { until: UNTIL + 1 } },
    })
  })

  it('is taken off, with a cookie that holds nothing else', () => {
    const data = { userId: 'eva', cookie: { ...cookie, index: { until: UNTIL } } }
    expect(takeNote(data)).to.deep.equal({ until: UNTIL })
    expect(data).to.deep.equal({ userId: 'eva', cookie })
    const bare = { userId: 'eva', cookie: { index: { until: UNTIL, user: 'bob' } } }
    expect(takeNote(bare)).to.deep.equal({ until: UNTIL, user: 'bob' })
    expect(bare).to.deep.equal({ userId: 'eva' })
    const none = { cookie }
    expect(takeNote(none)).to.equal(null)
    expect(none).to.deep.equal({ cookie })
  })

  for (const index of [
    null,
    7,
    'x',
    {},
    [],
    { until: 1.5 },
    { until: '7' },
    { until: 8.7e15 },
    { user: '' },
    { user: 7 },
  ]) {
    it(`does not count if it makes no sense: ${JSON.stringify(index)}`, () => {
      const data = { cookie: { ...cookie, index } }
      expect(takeNote(data)).to.equal(null)
      expect(data).to.deep.equal({ cookie })
    })
  }

  it('says that nobody owns the session', () => {
    expect(takeNote({ cookie: { ...cookie, index: { user: null } } })).to.deep.equal({ user: null })
  })

  it('that an app copied from another record does not stay', () => {
    const data = { cart: ['tea'], cookie: { ...cookie, index: { until: UNTIL, user: 'bob' } } }
    expect(withoutNote(data)).to.deep.equal({ cart: ['tea'], cookie })
    const without = { cart: ['tea'], cookie }
    expect(withoutNote(without)).to.equal(without)
  })
})
