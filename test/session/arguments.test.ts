/** Checks of user ids and option names, and the words for a wrong value. */
import { runInNewContext } from 'node:vm'
import { expect } from 'chai'
import { checkNames, checkUserId, userIdOf } from '../../src/session/arguments.ts'
import { kindOf } from '../../src/session/errors.ts'

class ObjectId {
  constructor(readonly hex: string) {}
  toJSON() {
    return this.hex
  }
  toString() {
    return 'not asked'
  }
}

class Named {
  toString() {
    return 'eva'
  }
}

describe('A user id', () => {
  const good: [what: string, value: unknown, id: string][] = [
    ['a string', 'eva', 'eva'],
    ['a number', 42, '42'],
    ['zero', 0, '0'],
    ['a negative number', -1.5, '-1.5'],
    ['an object with toJSON, as MongoDB has', new ObjectId('65f0c0ffee'), '65f0c0ffee'],
    ['an object whose toJSON gives a number', { toJSON: () => 7 }, '7'],
    ['an object with a toString of its own', new Named(), 'eva'],
    ['a boxed string', Object('eva'), 'eva'],
  ]
  for (const [what, value, id] of good) {
    it(`is ${what}`, () => {
      expect(userIdOf(value)).to.equal(id)
      expect(checkUserId(value)).to.equal(id)
    })
  }

  const bad: [what: string, value: unknown][] = [
    ['an empty string', ''],
    ['false', false],
    ['true', true],
    ['null', null],
    ['undefined', undefined],
    ['NaN', Number.NaN],
    ['infinity', Number.POSITIVE_INFINITY],
    ['a bigint', 10n],
    ['a symbol', Symbol('eva')],
    ['a function', () => 'eva'],
    ['half a character', 'half\ud83d'],
    ['an array', ['eva']],
    ['bytes', Buffer.from('eva')],
    ['an array of bytes', new Uint8Array([1, 2])],
    ['a plain object', { id: 'eva' }],
    ['a plain object of another realm', runInNewContext('({ id: 1 })')],
    ['an object without a prototype', Object.create(null)],
    ['a map', new Map([['id', 'eva']])],
    ['a promise', Promise.resolve('eva')],
    ['an object whose toJSON gives an object', { toJSON: () => ({ id: 1 }), toString: () => 'eva' }],
    ['an object whose toJSON gives nothing', { toJSON: () => '' }],
    [
      'an object whose toJSON throws',
      {
        toJSON() {
          throw new Error('no')
        },
      },
    ],
  ]
  for (const [what, value] of bad) {
    it(`is not ${what}`, () => {
      expect(userIdOf(value)).to.equal(undefined)
      expect(() => checkUserId(value)).to.throw(TypeError, 'userId must be')
    })
  }
})

describe('An unknown property', () => {
  const known = ['client', 'prefix', 'userPrefix', 'ttl', 'maxUserSessions']
  const meant: [name: string, meant: string][] = [
    ['maxUserSession', 'maxUserSessions'],
    ['prefx', 'prefix'],
    ['clinet', 'client'],
    ['userprefix', 'userPrefix'],
    ['TTL', 'ttl'],
    ['tll', 'ttl'],
  ]
  for (const [name, nearest] of meant) {
    it(`${name}: the error suggests ${nearest}`, () => {
      expect(() => checkNames({ [name]: 1 }, known, 'options')).to.throw(
        TypeError,
        `unknown property '${name}' in options; did you mean '${nearest}'?`,
      )
    })
  }

  it('that is near to no known name: the error lists the known names', () => {
    expect(() => checkNames({ colour: 'hunter2' }, known, 'options')).to.throw(
      TypeError,
      "unknown property 'colour' in options; known are client, prefix, userPrefix, ttl, maxUserSessions",
    )
  })

  it('is unknown with the value undefined too', () => {
    expect(() => checkNames({ prefx: undefined }, known, 'options')).to.throw(TypeError, 'prefx')
  })

  it('with a long name is cut', () => {
    const call = () => checkNames({ ['x'.repeat(10_000)]: 1 }, known, 'options')
    expect(call).to.throw(TypeError).with.property('message').with.property('length').below(300)
  })

  it('known ones pass, and an object must it be', () => {
    expect(checkNames({ ttl: 1 }, known, 'options')).to.deep.equal({ ttl: 1 })
    expect(() => checkNames('ttl', known, 'options')).to.throw(TypeError, 'options must be an object')
  })
})

describe('The words for a value', () => {
  class Vault {
    password = 'hunter2'
  }
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  const kinds: [value: unknown, kind: string][] = [
    ['hunter2', 'a string of 7 characters'],
    ['', 'an empty string'],
    [new Vault(), 'an object of class Vault'],
    [{ password: 'hunter2' }, 'an object'],
    [Object.create(null), 'an object'],
    [{ constructor: { name: 'hunter2' } }, 'an object'],
    [Object.create({ constructor: { name: 'hunter2, my secret' } }), 'an object'],
    [proxy, 'an object'],
    [['hunter2'], 'an array'],
    [() => 'hunter2', 'a function'],
    [Symbol('hunter2'), 'a symbol'],
    [10n, 'a bigint'],
    [Promise.resolve('hunter2'), 'a promise'],
    [new Date(0), 'an object of class Date'],
    [-1, '-1'],
    [Number.NaN, 'NaN'],
    [true, 'true'],
    [null, 'null'],
    [undefined, 'undefined'],
  ]
  for (const [value, kind] of kinds) {
    it(kind, () => {
      expect(kindOf(value)).to.equal(kind)
    })
  }
})
