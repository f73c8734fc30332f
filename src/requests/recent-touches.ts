/**
 * Remembers the last touches of this process: at least the last `capacity` sessions, and at most twice as many. Two
 * maps replace each other, because deleting the oldest entries of one map one by one is slow in V8.
 */
export class RecentTouches {
  #latest = new Map<string, Touched>()
  #earlier = new Map<string, Touched>()

  constructor(readonly capacity = 10_000) {}

  /**
   * Whether a touch to `expires` would move the expiry by less than `interval` ms. A record that was written again has
   * another `until`.
   */
  within(interval: number, sessionId: string, expires: number, until: number | null): boolean {
    const touched = this.#latest.get(sessionId) ?? this.#earlier.get(sessionId)
    if (touched === undefined || touched.until !== until) return false
    const moved = expires - touched.expires
    return moved === 0 || (moved > 0 && moved < interval)
  }

  remember(sessionId: string, expires: number, until: number | null): void {
    this.#latest.set(sessionId, { expires, until })
    if (this.#latest.size < this.capacity) return
    this.#earlier = this.#latest
    this.#latest = new Map()
  }
}

/** Both in ms since 1970. */
interface Touched {
  expires: number
  until: number | null
}
