/** A fault of one process: a lost answer, or its death, at a chosen command from now. */

export class Fault extends Error {
  override name = 'Fault'
}

export type FaultKind = 'lost answer' | 'death before' | 'death after'

export class Faults {
  isDead = false
  #kind: FaultKind = 'lost answer'
  #left = 0

  /** At the n-th command from now, from 1. */
  plan(kind: FaultKind, n: number): void {
    this.#kind = kind
    this.#left = n
  }

  /** Another process replaces this one. */
  restart(): void {
    this.isDead = false
    this.#left = 0
  }

  async meet(send: () => unknown): Promise<unknown> {
    if (this.isDead) throw new Fault('dead')
    if (this.#left === 0 || --this.#left > 0) return send()
    this.isDead = this.#kind !== 'lost answer'
    if (this.#kind !== 'death before') await Promise.resolve(send()).catch(() => {})
    throw new Fault(this.#kind)
  }
}
