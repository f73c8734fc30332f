import { script } from './script.ts'

/**
 * Reads sessions with their true expiry, from the master and at one instant.
 *
 * KEYS     the sessions
 *
 * Returns for each session its record and its PEXPIRETIME. The record is nil if there is none or a value of another
 * type. PEXPIRETIME is -2 if there is no key, and -1 if it has no TTL.
 */
export const readScript = script(
  'read',
  `
local found = {}
for n, key in ipairs(KEYS) do
  local record = redis.pcall('GET', key)
  found[2 * n - 1] = type(record) == 'string' and record
  found[2 * n] = redis.call('PEXPIRETIME', key)
end
return found`,
)
