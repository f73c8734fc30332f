import { script } from './script.ts'

/**
 * Reads sessions with their true expiry, from the master and in one instant.
 *
 * KEYS     sessions
 *
 * For each the record (nil if there is none, or a value of another type) and its PEXPIRETIME (-2 if there is none,
 * -1 if it has no TTL).
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
