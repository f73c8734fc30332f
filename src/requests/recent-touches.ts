import { Recent } from '../session/recent.ts'

/** Remembers the last touches of this process. */
export class RecentTouches {
  readonly #touches: Recent<Touched>

  constructor(capacity?: number) {
    this.#touches = new Recent(capacity)
  }

  /**
   * Whether a touch to `expires` would move the expiry by less than `interval` ms. A record that was written again has
   * another `until`.
   */
  within(interval: number, sessionId: string, expires: number, until: number | null): boolean {
    const touched = this.#touches.get(sessionId)
    if (touched === undefined || touched.until !== until) return false
    const moved = expires - touched.expires
    return moved === 0 || (moved > 0 && moved < interval)
  }

  remember(sessionId: string, expires: number, until: number | null): void {
    this.#touches.set(sessionId, { expires, until })
  }
}

/** Both in ms since 1970. */
interface Touched {
  expires: number
  until: number | null
}
