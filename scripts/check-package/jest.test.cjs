// Jest cannot require an ES module.
const { UserSessionStore } = require('redis-user-sessions')
const { createSession } = require('redis-user-sessions/functions')

test('Jest requires the package', () => {
  expect(typeof UserSessionStore).toBe('function')
  expect(typeof createSession).toBe('function')
})
