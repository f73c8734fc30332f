/**
 * What is known of objects, as a `WeakMap` has it, for as long as they live. A proxy around an object tells the same. A `WeakMap` itself
 * would cost a tenth of a load on Node 24. So only objects that can take no property are kept in one.
 */
export class Marks<Value> {
  readonly #name = Symbol('mark')
  readonly #ofSealed = new WeakMap<object, Mark<Value>>()

  get(object: object): Value | undefined {
    return this.#markOf(object)?.value
  }

  /** Copies of the object, such as `{ ...object }`, do not get it. */
  set(object: object, value: Value): void {
    const mark = this.#markOf(object)
    if (mark) mark.value = value
    else if (!takes(object, this.#name, { value })) this.#ofSealed.set(object, { value })
  }

  #markOf(object: object): Mark<Value> | undefined {
    return (object as Record<symbol, Mark<Value>>)[this.#name] ?? this.#ofSealed.get(object)
  }
}

/** If an object takes a hidden property. A proxy may refuse to, or throw. `configurable: false` makes one throw that only pretends. */
function takes(object: object, name: symbol, value: unknown): boolean {
  try {
    return Reflect.defineProperty(object, name, { value, configurable: false })
  } catch {
    return false
  }
}

/** An object that is frozen later keeps its mark, and the mark can still change. */
interface Mark<Value> {
  value: Value
}
