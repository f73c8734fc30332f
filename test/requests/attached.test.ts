import { isDeepStrictEqual } from 'node:util'
import { expect } from 'chai'
import { Attached } from '../../src/requests/attached.ts'

describe('Attached: values that are attached to objects', () => {
  const attached = new Attached<string>()

  function marked<T extends object>(object: T): T {
    attached.set(object, 'known')
    return object
  }

  it('is told of the object, and of a proxy around it', () => {
    const object = marked({})
    expect(attached.get(object)).to.equal('known')
    expect(attached.get(new Proxy(object, {}))).to.equal('known')
  })

  it('is told of the object if a proxy around it was marked', () => {
    const object = {}
    marked(new Proxy(object, {}))
    expect(attached.get(object)).to.equal('known')
  })

  it('is told of the object through a proxy that wraps all objects that it finds', () => {
    const deep = <T extends object>(object: T): T =>
      new Proxy(object, {
        get(target, name) {
          const value = Reflect.get(target, name)
          return Object(value) === value && typeof value !== 'function' ? deep(value as object) : value
        },
      })
    const object = marked({})
    attached.set(deep(object), 'known anew')
    expect(attached.get(object)).to.equal('known anew')
    expect(attached.get(deep(object))).to.equal('known anew')
  })

  it('is told of the object through a proxy that hides symbols', () => {
    const object = marked({})
    const hiding = new Proxy(object, {
      get: (target, name) => (typeof name === 'symbol' ? undefined : Reflect.get(target, name)),
    })
    expect(attached.get(hiding)).to.equal('known')
    attached.set(hiding, 'known anew')
    expect(attached.get(object)).to.equal('known anew')
  })

  it('changes also if everything in the object was frozen', () => {
    const object = marked({})
    for (const name of Reflect.ownKeys(object)) Object.freeze(Reflect.get(object, name))
    attached.set(Object.freeze(object), 'known anew')
    expect(attached.get(object)).to.equal('known anew')
  })

  for (const [what, seal] of [
    ['frozen', Object.freeze],
    ['sealed', Object.seal],
    ['not extensible', Object.preventExtensions],
  ] as [string, <T extends object>(object: T) => T][]) {
    it(`is told of an object that was ${what} before, or is ${what} later`, () => {
      expect(attached.get(marked(seal({ a: 1 })))).to.equal('known')
      expect(attached.get(seal(marked({ a: 1 })))).to.equal('known')
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
      expect(attached.get(marked(new Proxy({}, { defineProperty })))).to.equal('known')
    })
  }

  it('changes', () => {
    for (const object of [marked({}), marked(Object.freeze({}))]) {
      attached.set(object, 'known anew')
      expect(attached.get(object)).to.equal('known anew')
    }
  })

  it('changes also if the object was frozen after the first mark', () => {
    const object = Object.freeze(marked({}))
    attached.set(object, 'known anew')
    expect(attached.get(object)).to.equal('known anew')
  })

  it('is not told of a copy, and not by another instance', () => {
    const object = marked({ a: 1 })
    expect(attached.get({ ...object })).to.equal(undefined)
    expect(attached.get(Object.assign({}, object))).to.equal(undefined)
    expect(attached.get(structuredClone(object))).to.equal(undefined)
    expect(new Attached().get(object)).to.equal(undefined)
  })

  it('is not visible on the object', () => {
    const object = marked({ a: 1 })
    expect(isDeepStrictEqual(object, { a: 1 })).to.equal(true)
    expect(Object.keys(object)).to.deep.equal(['a'])
    expect(JSON.stringify(object)).to.equal('{"a":1}')
  })
})
