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
    return this.#boxOf(object)?.()
  }

  /** Copies of the object, such as `{ ...object }`, do not get the value. */
  set(object: object, value: Value): void {
    const known = this.#boxOf(object)
    if (known) known(value)
    else {
      const box = boxOf(value)
      if (!takes(object, this.#name, box)) this.#ofSealed.set(object, box)
    }
  }

  #boxOf(object: object): Box<Value> | undefined {
    return (object as Record<symbol, Box<Value>>)[this.#name] ?? this.#hiddenBoxOf(object)
  }

  /** A proxy may hide symbols. It cannot hide the descriptor of a property that is not configurable. */
  #hiddenBoxOf(object: object): Box<Value> | undefined {
    return Reflect.getOwnPropertyDescriptor(object, this.#name)?.value ?? this.#ofSealed.get(object)
  }
}

/**
 * Defines a hidden property, and returns whether it is there. A proxy may refuse or throw. If a proxy only pretends to
 * define the property, `configurable: false` makes it throw. `writable` lets a proxy return another function in its
 * place, such as a bound one.
 */
function takes(object: object, name: symbol, value: unknown): boolean {
  try {
    return Reflect.defineProperty(object, name, { value, configurable: false, writable: true })
  } catch {
    return false
  }
}

/**
 * Holds the value, and gets the next one as its argument. It is a function, because proxies often wrap or bind all that
 * they find, and because a function's variables change even after it was frozen.
 */
type Box<Value> = (...next: [] | [Value]) => Value

function boxOf<Value>(first: Value): Box<Value> {
  let value = first
  return (...next) => {
    if (next.length > 0) value = next[0] as Value
    return value
  }
}
