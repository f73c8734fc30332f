import { Recent } from '../session/recent.ts'

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
    // If no other removal has begun since, this moment is the latest.
    const latest = moment === this.#count ? moment : Math.max(moment, this.#counts.get(key) ?? 0)
    this.#counts.set(key, latest)
  }

  /** Whether a session under this key was destroyed by a removal that began after that moment. */
  since(key: string, moment: number): boolean {
    return moment < this.#count && (this.#counts.get(key) ?? 0) > moment
  }
}
