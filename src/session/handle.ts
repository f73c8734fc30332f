import { hash } from 'node:crypto'

/** A name for a session that a page can show and post back: base64url SHA-256 of the id, which it does not reveal. */
export function handleOf(sessionId: string): string {
  return hash('sha256', sessionId, 'base64url')
}
