/**
 * What is known of objects, as a `WeakMap` has it, for as long as they live. A proxy around an object tells the same. A `WeakMap` itself
 * would cost a tenth of a load on Node 24: so only what can take no property is kept in one.
 */
export class Marks<Value> {
  readonly #name = Symbol('mark')
  readonly #ofSealed = new WeakMap<object, Value>()

  get(object: object): Value | undefined {
    return (object as Record<symbol, Value>)[this.#name] ?? this.#ofSealed.get(object)
  }

  /** Copies of the object, such as `{ ...object }`, do not get it. */
  set(object: object, value: Value): void {
    const isNew = !Object.hasOwn(object, this.#name)
    if (isNew && !Object.isExtensible(object)) this.#ofSealed.set(object, value)
    else Object.defineProperty(object, this.#name, { value, configurable: true })
  }
}
