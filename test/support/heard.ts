/** Collects the events that listeners get about revocations. */
import { randomUUID } from 'node:crypto'
import type { DestroyedEvent, UserSessionStore } from '../../src/index.ts'
import { eventually } from './eventually.ts'

/** A listener, and the events that it was called with. */
export function heard() {
  const events: DestroyedEvent[] = []
  const listener = (event: DestroyedEvent) => void events.push(event)
  return { events, listener, once: () => eventually('the revocation', () => events.length > 0) }
}

/** Waits until all events of the next tick have been emitted. */
export const nextTurn = () => new Promise((resolve) => setImmediate(resolve))

/** Waits until a new store listens and has checked its sessions. Here it checks a session that never existed. */
export async function untilChecked(store: UserSessionStore): Promise<void> {
  await new Promise((resolve) => void store.onRevoked(`none ${randomUUID()}`, resolve))
}
