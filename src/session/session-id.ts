import { randomBytes } from 'node:crypto'

/** Returns a new session id that nobody can guess: 24 random bytes, base64url. */
export function newSessionId(): string {
  return randomBytes(24).toString('base64url')
}
