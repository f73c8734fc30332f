import { onKey, tidyIndex } from './parts.ts'
import { script, scriptWhileFull } from './script.ts'

/**
 * Writes a session if its record is still the expected one, and updates its index entry.
 *
 * KEYS[1]  the session
 * KEYS[2]  the owner's index, if ARGV[6] is not ''; the remaining keys are indexes that no longer list the session
 * ARGV[1]  session id
 * ARGV[2]  the new record
 * ARGV[3]  expiry, ms since 1970; with ARGV[4], only for a session without a TTL
 * ARGV[4]  '' to set the expiry; else the latest time to which the session keeps its TTL, ms since 1970
 * ARGV[5]  '1' if the record must be ARGV[8]; '0' if there must be no record
 * ARGV[6]  until when the index lists it, ms since 1970; '' if the session is anonymous
 * ARGV[7]  how many sessions the owner may have, this one included; '' for any number
 * ARGV[8]  the expected record
 *
 * Returns one of:
 * - 1: written
 * - 0: the expected record is gone
 * - -1: the owner has as many sessions as allowed
 * - an array: the other record that is there
 *
 * With any other answer than 1, nothing was changed, except that a limit drops the entries of ended sessions.
 */
const body = `
local expected = ARGV[5] == '1' and ARGV[8] or false
local current = onKey(1, 'GET')
if current ~= expected then return current and { current } or 0 end
local expires = ARGV[3]
if ARGV[4] ~= '' then
  local kept = redis.call('PEXPIRETIME', KEYS[1])
  if kept > 0 then expires = math.min(kept, ARGV[4]) end
end
local previous = 2
if ARGV[6] ~= '' then
  if ARGV[7] ~= '' then
    tidyIndex(2)
    if not onKey(2, 'ZSCORE', ARGV[1]) and onKey(2, 'ZCARD') >= tonumber(ARGV[7]) then return -1 end
  end
  onKey(2, 'ZADD', ARGV[6], ARGV[1])
  tidyIndex(2, ARGV[6])
  previous = 3
end
for n = previous, #KEYS do
  onKey(n, 'ZREM', ARGV[1])
  tidyIndex(n)
end
redis.call('SET', KEYS[1], ARGV[2], 'PXAT', expires)
return 1`

export const writeScript = script('write', onKey, tidyIndex, body)

/** The same for a touch. Redis accepts it even while it is full. */
export const touchScript = scriptWhileFull('touch', onKey, tidyIndex, body)
