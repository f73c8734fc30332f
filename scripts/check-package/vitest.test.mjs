import { UserSessionStore } from 'redis-user-sessions'
import { createSession } from 'redis-user-sessions/functions'
import { expect, test } from 'vitest'

test('Vitest imports the package', () => {
  expect(typeof UserSessionStore).toBe('function')
  expect(typeof createSession).toBe('function')
})
