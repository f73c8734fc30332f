/**
 * Attaches a value to each object for the object's lifetime, as a `WeakMap` does. A proxy around the object gives the
 * same value.
 *
 * A `WeakMap` would add 10 % to the cost of a load on Node 24. So it holds only the objects that accept no new
 * property.
 */
export class Attached<Value> {
  readonly #name = Symbol('attached')
  readonly #ofSealed = new WeakMap<object, Box<Value>>()

  get(object: object): Value | undefined {
    return this.#boxOf(object)?.value
  }

  /** Copies of the object, such as `{ ...object }`, do not get the value. */
  set(object: object, value: Value): void {
    const box = this.#boxOf(object)
    if (box) box.value = value
    else if (!takes(object, this.#name, { value })) this.#ofSealed.set(object, { value })
  }

  #boxOf(object: object): Box<Value> | undefined {
    return (object as Record<symbol, Box<Value>>)[this.#name] ?? this.#ofSealed.get(object)
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
interface Box<Value> {
  value: Value
}
