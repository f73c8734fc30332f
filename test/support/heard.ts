/** What listeners are told of revocations. */
import type { DestroyedEvent } from '../../src/index.ts'
import { eventually } from './eventually.ts'

/** A listener, and what it was called with. */
export function heard() {
  const events: DestroyedEvent[] = []
  const listener = (event: DestroyedEvent) => void events.push(event)
  return { events, listener, once: () => eventually('the revocation', () => events.length > 0) }
}

/** What is emitted on the next tick has been by then. */
export const nextTurn = () => new Promise((resolve) => setImmediate(resolve))
