/** The methods of your users' table that the recipes need. */
import type { SessionData } from 'express-session'
import './session-data.ts'

export type Role = NonNullable<SessionData['role']>

/** `version` grows by one with every new password, every new role, and every "sign out everywhere". */
export type Account = { id: string; role: Role; version: number }

/** Each method resolves to the account after the change, or to `null` if nothing was changed. */
export interface Accounts {
  byId(id: string): Promise<Account | null>
  /** Changes nothing if the account has another version. In SQL: `… WHERE id = $1 AND version = $2 RETURNING *`. */
  setPassword(id: string, version: number, password: string): Promise<Account | null>
  setRole(id: string, role: Role): Promise<Account | null>
  /** Only raises the version. */
  signOutEverywhere(id: string): Promise<Account | null>
}
