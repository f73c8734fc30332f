/**
 * A map that forgets its oldest keys. It holds at least the last `capacity` keys, and at most twice as many. Two maps
 * replace each other, because deleting the oldest entries of one map one by one is slow in V8.
 */
export class Recent<Value> {
  #latest = new Map<string, Value>()
  #earlier = new Map<string, Value>()

  constructor(readonly capacity = 10_000) {}

  get(key: string): Value | undefined {
    return this.#latest.get(key) ?? this.#earlier.get(key)
  }

  set(key: string, value: Value): void {
    this.#latest.set(key, value)
    if (this.#latest.size < this.capacity) return
    this.#earlier = this.#latest
    this.#latest = new Map()
  }
}
