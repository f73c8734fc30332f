/** Until when this process has last let sessions live; of as many sessions as fit. */
export class RecentTouches {
  readonly #touched = new Map<string, Touched>()

  constructor(readonly capacity = 10_000) {}

  /** If a touch to `expires` would move nothing by `interval` ms or more. A rewritten record has another `until`. */
  within(interval: number, sessionId: string, expires: number, until: number | null): boolean {
    const touched = this.#touched.get(sessionId)
    if (touched === undefined || touched.until !== until) return false
    const moved = expires - touched.expires
    return moved === 0 || (moved > 0 && moved < interval)
  }

  remember(sessionId: string, expires: number, until: number | null): void {
    this.#touched.delete(sessionId)
    this.#touched.set(sessionId, { expires, until })
    if (this.#touched.size > this.capacity) this.#touched.delete(this.#touched.keys().next().value as string)
  }
}

/** Both in ms since 1970. */
interface Touched {
  expires: number
  until: number | null
}
