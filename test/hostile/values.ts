/** Values that no program should send, and that some program will send. */
import fc from 'fast-check'

/** Property names that have a meaning in JavaScript, in express-session or in this package. */
export const names = [
  ...['__proto__', 'constructor', 'prototype', 'toString', 'valueOf', 'hasOwnProperty', 'toJSON', 'then'],
  ...[
    'cookie',
    'expires',
    'userId',
    'passport',
    'id',
    'req',
    'save',
    'touch',
    'reload',
    'destroy',
    'regenerate',
  ],
  ...[
    '',
    ' ',
    '*',
    '[a',
    '\\',
    '{x}',
    ':sessions',
    'x:sessions',
    '\0',
    '\n',
    '\r\n',
    '\ud800',
    'é',
    '💥',
    '%00',
  ],
]

/** Short hostile texts, as ids, users, handles and prefixes. */
export const texts = fc.oneof(
  fc.constantFrom(...names, 'session:x', 'user:x:sessions', '../..', '1e400', '9'.repeat(400)),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({
    unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)),
    maxLength: 20,
  }),
)

/** A value that is made when it is wanted: fast-check itself stumbles over some. */
export interface Odd<T = unknown> {
  make(): T
}

/** Any value at all, even one that JSON cannot represent. */
export const anything: fc.Arbitrary<Odd> = fc.oneof(
  texts.map((text): Odd => ({ make: () => text })),
  fc
    .anything({
      ...{ withBigInt: true, withDate: true, withMap: true, withSet: true, withNullPrototype: true },
      ...{ withTypedArray: true, withSparseArray: true, withObjectString: true, withBoxedValues: true },
      ...{ key: texts, maxDepth: 3 },
    })
    .map((value): Odd => ({ make: () => value })),
  fc.constantFrom(...monsters()),
)

/** Objects, most of them odd. */
export const data: fc.Arbitrary<Odd<Record<string, unknown>>> = fc.oneof(
  { weight: 3, arbitrary: fc.dictionary(texts, anything, { maxKeys: 6 }).map(made) },
  { weight: 2, arbitrary: fc.constantFrom(...(monsters() as Odd<Record<string, unknown>>[])) },
  { weight: 1, arbitrary: fc.dictionary(fc.constantFrom(...names), anything).map(made) },
)

function made(odds: Record<string, Odd>): Odd<Record<string, unknown>> {
  return { make: () => Object.fromEntries(Object.entries(odds).map(([name, odd]) => [name, odd.make()])) }
}

/** Objects and functions that misbehave when they are looked at. */
function monsters(): Odd[] {
  const makers: (() => unknown)[] = [
    () => {
      const cyclic: Record<string, unknown> = {}
      cyclic.self = cyclic
      return cyclic
    },
    () => ({ big: 10n ** 30n }),
    () => ({ f() {}, [Symbol('s')]: 1, s: Symbol('t') }),
    () => ({
      get thrown() {
        throw new Error('a getter that throws')
      },
    }),
    () => ({
      toJSON() {
        throw new Error('a toJSON that throws')
      },
    }),
    () => ({ toJSON: () => ({ userId: 'someone else' }) }),
    () => ({ toJSON: () => 'no object' }),
    () => ({ toJSON: () => undefined }),
    () => ({ userId: { toString: () => 'alice', toJSON: () => 'alice' } }),
    () => JSON.parse('{"__proto__": {"polluted": true}, "constructor": {"prototype": {"polluted": true}}}'),
    () =>
      JSON.parse(
        '{"cookie": {"__proto__": {"polluted": true}, "expires": "never", "originalMaxAge": "long"}}',
      ),
    () => ({ cookie: { expires: new Date(Number.NaN) } }),
    () => ({ cookie: { expires: new Date(8.64e15), originalMaxAge: Number.MAX_VALUE } }),
    () => ({ cookie: { expires: Number.POSITIVE_INFINITY } }),
    () => ({ cookie: { originalMaxAge: {}, path: 5, domain: ['x'], sameSite: 'w', serialize: 1, data: 2 } }),
    () => ({ cookie: null }),
    () => ({ cookie: [] }),
    () => ({ expires: 'tomorrow', userId: '' }),
    () => ({ expires: '+275760-09-13T00:00:00.000Z', userId: 'alice' }),
    () => ({ deep: nested(20_000) }),
    () => ({ long: 'x'.repeat(1_000_000) }),
    () => ({ lone: '\ud800', '\udfff': 1 }),
    () => Object.freeze({ userId: 'alice', frozen: true }),
    () => Object.create(null, { userId: { value: 'hidden' } }),
    () => new Date(),
    () => new Map([['userId', 'alice']]),
    () => /x/g,
    () => Buffer.from('binary'),
    () => [],
    () => Promise.resolve({ userId: 'alice' }),
    () => new Proxy({}, { get: trapped, ownKeys: trapped, has: trapped, getOwnPropertyDescriptor: trapped }),
    () => new Proxy({ userId: 'alice' }, { get: changing() }),
    () => Proxy.revocable({}, {}).proxy,
    () => {
      const { proxy, revoke } = Proxy.revocable({}, {})
      revoke()
      return proxy
    },
    () => ({
      [Symbol.for('nodejs.util.inspect.custom')]() {
        throw new Error('an inspection that throws')
      },
    }),
    () => ({
      get [Symbol.toStringTag]() {
        throw new Error('a tag that throws')
      },
    }),
    () => class Session {},
    () => function then() {},
  ]
  return makers.map((make) => ({ make, toString: () => String(make) }))
}

function trapped(): never {
  throw new Error('a proxy that throws')
}

/** Another user each time that one asks. */
function changing() {
  let asked = 0
  return (target: object, name: string | symbol) =>
    name === 'userId' ? `user${asked++}` : Reflect.get(target, name)
}

function nested(depth: number): unknown {
  let value: unknown = 'core'
  for (let level = 0; level < depth; level++) value = [value]
  return value
}

/** Parsed without recursion, and too deep for everything else: this package writes none such. */
export const tooDeep = Buffer.from(`{"userId":"alice","deep":${'['.repeat(50_000)}${']'.repeat(50_000)}}`)

/** Raw records that this package never wrote. */
export const rawRecords: fc.Arbitrary<Buffer> = fc.oneof(
  fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
  fc.json({ maxDepth: 4 }).map((text) => Buffer.from(text)),
  fc
    .dictionary(fc.constantFrom(...names), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 6 })
    .map((record) => Buffer.from(JSON.stringify(record))),
  fc
    .record(
      {
        expires: fc.oneof(fc.jsonValue(), fc.date().map(String)),
        originalMaxAge: fc.oneof(fc.jsonValue(), fc.double()),
        maxAge: fc.jsonValue(),
        path: fc.jsonValue(),
        domain: fc.jsonValue(),
        sameSite: fc.jsonValue(),
        httpOnly: fc.jsonValue(),
        secure: fc.jsonValue(),
        data: fc.jsonValue(),
        serialize: fc.jsonValue(),
      },
      { requiredKeys: [] },
    )
    .map((cookie) => Buffer.from(JSON.stringify({ userId: 'alice', cookie }))),
  fc
    .constantFrom(
      ...[
        '',
        'null',
        '[]',
        '"x"',
        '1',
        'true',
        '{',
        '{"userId":"al',
        '{"userId":1e999}',
        '{"userId":{"a":1}}',
      ],
      ...['{"__proto__":{"polluted":true},"userId":"alice"}', '{"cookie":{"__proto__":{"polluted":true}}}'],
      ...['{"cookie":{"__proto__":null},"userId":"alice"}'],
    )
    .map((text) => Buffer.from(text)),
  fc.constant(
    Buffer.concat([
      Buffer.from('{"userId":"alice","x":"'),
      Buffer.from([0xff, 0xfe, 0x80]),
      Buffer.from('"}'),
    ]),
  ),
)
