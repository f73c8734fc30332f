/**
 * Attaches a value to each object for the object's lifetime, as a `WeakMap` does. A proxy around the object gives the
 * same value.
 *
 * A `WeakMap` would add 10 % to the cost of a load on Node 24. So it holds only the objects that accept no new
 * property.
 */
export class Marks<Value> {
  readonly #name = Symbol('mark')
  readonly #ofSealed = new WeakMap<object, Mark<Value>>()

  get(object: object): Value | undefined {
    return this.#markOf(object)?.value
  }

  /** Copies of the object, such as `{ ...object }`, do not get the value. */
  set(object: object, value: Value): void {
    const mark = this.#markOf(object)
    if (mark) mark.value = value
    else if (!takes(object, this.#name, { value })) this.#ofSealed.set(object, { value })
  }

  #markOf(object: object): Mark<Value> | undefined {
    return (object as Record<symbol, Mark<Value>>)[this.#name] ?? this.#ofSealed.get(object)
  }
}

/**
 * Defines a hidden property, and returns whether it is there. A proxy may refuse or throw. If a proxy only pretends to
 * define the property, `configurable: false` makes it throw.
 */
function takes(object: object, name: symbol, value: unknown): boolean {
  try {
    return Reflect.defineProperty(object, name, { value, configurable: false })
  } catch {
    return false
  }
}

/** A box for the value, which can change even after its object was frozen. */
interface Mark<Value> {
  value: Value
}
