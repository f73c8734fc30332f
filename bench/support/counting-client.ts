/** A client that counts the commands of a store. */
import type { Client } from './contenders.ts'

export interface Counter {
  /** How often each command was sent, by its name in lower case. */
  readonly commands: Map<string, number>
  /** How often a command was sent while none was in flight: the number of waits of a single operation. */
  trips: number
  reset(): void
}

export function counting(client: Client): { client: Client; counter: Counter } {
  let underWay = 0
  const counter: Counter = {
    commands: new Map(),
    trips: 0,
    reset() {
      counter.commands.clear()
      counter.trips = 0
    },
  }
  const send = async (name: string, call: () => unknown) => {
    counter.commands.set(name, (counter.commands.get(name) ?? 0) + 1)
    if (underWay++ === 0) counter.trips += 1
    try {
      return await call()
    } finally {
      underWay -= 1
    }
  }
  const counted = new Proxy(client, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target)
      if (typeof value !== 'function' || typeof property === 'symbol') return value
      return (...args: unknown[]) => send(property.toLowerCase(), () => Reflect.apply(value, target, args))
    },
  })
  return { client: counted, counter }
}
