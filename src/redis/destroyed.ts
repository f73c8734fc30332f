import { Recent } from '../session/recent.ts'
import type { SessionClient } from './clients/client.ts'

const byClient = new WeakMap<SessionClient, Destroyed>()

/** Returns what all stores and functions with this client have destroyed. */
export function destroyedBy(client: SessionClient): Destroyed {
  const known = byClient.get(client) ?? new Destroyed()
  byClient.set(client, known)
  return known
}

/**
 * Remembers which sessions this process has destroyed lately. If a later session has the same id, a save of an object of
 * the session before must not reach it. Records do not tell two sessions of one user apart.
 */
export class Destroyed {
  #count = 0
  readonly #counts = new Recent<number>()

  /** Returns the present moment, for `since`. It counts destroyed sessions. */
  get now(): number {
    return this.#count
  }

  add(key: string): void {
    this.#counts.set(key, ++this.#count)
  }

  /** Whether a session under this key was destroyed after that moment. */
  since(key: string, moment: number): boolean {
    return (this.#counts.get(key) ?? 0) > moment
  }
}
