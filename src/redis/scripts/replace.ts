import { onKey } from './parts.ts'
import { script } from './script.ts'

/**
 * Replaces a record if it is still the expected one. It does the same as `SET … IFEQ … PXAT`, which older servers do
 * not have.
 *
 * KEYS[1]  the session
 * ARGV[1]  the new record
 * ARGV[2]  expiry, ms since 1970
 * ARGV[3]  the expected record
 *
 * Returns one of:
 * - 1: replaced
 * - 0: there is no record
 * - an array: the other record that is there
 *
 * Only 1 means a change.
 */
export const replaceScript = script(
  'replace',
  onKey,
  `
local current = onKey(1, 'GET')
if not current then return 0 end
if current ~= ARGV[3] then return { current } end
redis.call('SET', KEYS[1], ARGV[1], 'PXAT', ARGV[2])
return 1`,
)
