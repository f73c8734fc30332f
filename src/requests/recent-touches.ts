/** When sessions whose record does not say were last touched; of as many sessions as fit. */
export class RecentTouches {
  readonly #touched = new Map<string, number>()

  constructor(readonly capacity = 10_000) {}

  /** Whether it was touched less than `interval` ms before `now`, by this process. */
  within(interval: number, sessionId: string, now: number): boolean {
    const touched = this.#touched.get(sessionId)
    return touched !== undefined && now - touched < interval
  }

  remember(sessionId: string, now: number): void {
    this.#touched.delete(sessionId)
    this.#touched.set(sessionId, now)
    if (this.#touched.size > this.capacity) this.#touched.delete(this.#touched.keys().next().value as string)
  }
}
