import { randomBytes } from 'node:crypto'

/** An id that nobody can guess and no other session has: 24 random bytes, base64url. */
export function newSessionId(): string {
  return randomBytes(24).toString('base64url')
}
