import { onKey } from './parts.ts'
import { script } from './script.ts'

/**
 * Replaces a record if it is still the one expected. It stands in for `SET … IFEQ … PXAT`, which older servers do not have.
 *
 * KEYS[1]  the session
 * ARGV[1]  the new record
 * ARGV[2]  expiry, ms since 1970
 * ARGV[3]  the expected record
 *
 * 1 replaced; 0 there is no record; in an array: the record that is there instead. Only 1 changes anything.
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
