import { isDeepStrictEqual } from 'node:util'
import { expect } from 'chai'
import { Marks } from '../../src/requests/marks.ts'

describe('Marks: values that are attached to objects', () => {
  const marks = new Marks<string>()

  function marked<T extends object>(object: T): T {
    marks.set(object, 'known')
    return object
  }

  it('is told of the object, and of a proxy around it', () => {
    const object = marked({})
    expect(marks.get(object)).to.equal('known')
    expect(marks.get(new Proxy(object, {}))).to.equal('known')
  })

  it('is told of the object if a proxy around it was marked', () => {
    const object = {}
    marked(new Proxy(object, {}))
    expect(marks.get(object)).to.equal('known')
  })

  for (const [what, seal] of [
    ['frozen', Object.freeze],
    ['sealed', Object.seal],
    ['not extensible', Object.preventExtensions],
  ] as [string, <T extends object>(object: T) => T][]) {
    it(`is told of an object that was ${what} before, or is ${what} later`, () => {
      expect(marks.get(marked(seal({ a: 1 })))).to.equal('known')
      expect(marks.get(seal(marked({ a: 1 })))).to.equal('known')
    })
  }

  for (const [what, defineProperty] of [
    ['refuses', () => false],
    ['only seems to take', () => true],
    [
      'throws on',
      () => {
        throw new Error('no properties here')
      },
    ],
  ] as [string, () => boolean][]) {
    it(`is told of a proxy that ${what} new properties`, () => {
      expect(marks.get(marked(new Proxy({}, { defineProperty })))).to.equal('known')
    })
  }

  it('changes', () => {
    for (const object of [marked({}), marked(Object.freeze({}))]) {
      marks.set(object, 'known anew')
      expect(marks.get(object)).to.equal('known anew')
    }
  })

  it('changes also if the object was frozen after the first mark', () => {
    const object = Object.freeze(marked({}))
    marks.set(object, 'known anew')
    expect(marks.get(object)).to.equal('known anew')
  })

  it('is not told of a copy, and not by other marks', () => {
    const object = marked({ a: 1 })
    expect(marks.get({ ...object })).to.equal(undefined)
    expect(marks.get(Object.assign({}, object))).to.equal(undefined)
    expect(marks.get(structuredClone(object))).to.equal(undefined)
    expect(new Marks().get(object)).to.equal(undefined)
  })

  it('is not visible on the object', () => {
    const object = marked({ a: 1 })
    expect(isDeepStrictEqual(object, { a: 1 })).to.equal(true)
    expect(Object.keys(object)).to.deep.equal(['a'])
    expect(JSON.stringify(object)).to.equal('{"a":1}')
  })
})
