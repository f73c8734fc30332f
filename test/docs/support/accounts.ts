/** A table of users in memory. A test can interrupt a request between two of its calls. */
import type { Account, Accounts, Role } from '../../../examples/recipes/accounts.ts'

type Method = keyof Accounts
type Interrupt = () => Promise<void>

export class MemoryAccounts implements Accounts {
  readonly #rows = new Map<string, Account & { password: string }>()
  readonly #before = new Map<Method, Interrupt>()
  readonly #after = new Map<Method, Interrupt>()
  /** How many interruptions there were. */
  interruptions = 0

  constructor(roles: Record<string, Role>) {
    for (const [id, role] of Object.entries(roles))
      this.#rows.set(id, { id, role, version: 1, password: 'old' })
  }

  /** Calls `interrupt` before the next call of the method, once. */
  before(method: Method, interrupt: Interrupt): void {
    this.#before.set(method, interrupt)
  }

  /** Calls `interrupt` once, after the next call of the method and before its caller continues. */
  after(method: Method, interrupt: Interrupt): void {
    this.#after.set(method, interrupt)
  }

  password(id: string): string | undefined {
    return this.#rows.get(id)?.password
  }

  byId(id: string): Promise<Account | null> {
    return this.#interrupted('byId', () => this.#account(id))
  }

  setPassword(id: string, version: number, password: string): Promise<Account | null> {
    return this.#interrupted('setPassword', () =>
      this.#rows.get(id)?.version === version ? this.#change(id, { password }) : null,
    )
  }

  async setRole(id: string, role: Role): Promise<Account | null> {
    this.interruptions++
    return this.#change(id, { role })
  }

  async signOutEverywhere(id: string): Promise<Account | null> {
    this.interruptions++
    return this.#change(id, {})
  }

  async #interrupted(method: Method, work: () => Account | null): Promise<Account | null> {
    const [before, after] = [this.#before.get(method), this.#after.get(method)]
    this.#before.delete(method)
    this.#after.delete(method)
    await before?.()
    const result = work()
    await after?.()
    return result
  }

  #change(id: string, changes: { role?: Role; password?: string }): Account | null {
    const row = this.#rows.get(id)
    if (!row) return null
    this.#rows.set(id, { ...row, ...changes, version: row.version + 1 })
    return this.#account(id)
  }

  #account(id: string): Account | null {
    const row = this.#rows.get(id)
    return row ? { id, role: row.role, version: row.version } : null
  }
}
