import { hash } from 'node:crypto'

/**
 * Returns the name of a session that a page can show and post back: base64url SHA-256 of its id. It does not reveal the
 * id.
 */
export function handleOf(sessionId: string): string {
  return hash('sha256', sessionId, 'base64url')
}
