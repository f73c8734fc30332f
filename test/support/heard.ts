/** What listeners are told of revocations. */
import { randomUUID } from 'node:crypto'
import type { DestroyedEvent, UserSessionStore } from '../../src/index.ts'
import { eventually } from './eventually.ts'

/** A listener, and what it was called with. */
export function heard() {
  const events: DestroyedEvent[] = []
  const listener = (event: DestroyedEvent) => void events.push(event)
  return { events, listener, once: () => eventually('the revocation', () => events.length > 0) }
}

/** What is emitted on the next tick has been by then. */
export const nextTurn = () => new Promise((resolve) => setImmediate(resolve))

/** Until a new store listens, and has looked at what its listeners wait for: here at a session that never was. */
export async function untilChecked(store: UserSessionStore): Promise<void> {
  await new Promise((resolve) => void store.onRevoked(`none ${randomUUID()}`, resolve))
}
