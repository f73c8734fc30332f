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

  /** Returns the present moment, for `since`. It counts removals. */
  get now(): number {
    return this.#count
  }

  /** Returns a new moment. It is taken before a removal is sent. So the moments are in the order of the commands. */
  begin(): number {
    return ++this.#count
  }

  /** The removal that began at that moment has deleted the session. */
  add(key: string, moment: number): void {
    this.#counts.set(key, Math.max(moment, this.#counts.get(key) ?? 0))
  }

  /** Whether a session under this key was destroyed by a removal that began after that moment. */
  since(key: string, moment: number): boolean {
    return (this.#counts.get(key) ?? 0) > moment
  }
}
