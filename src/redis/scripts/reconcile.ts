import { onKey, settleIndex } from './parts.ts'
import { scriptWhileFull } from './script.ts'

/**
 * Makes an index agree with sessions. The entry of a session that is gone is removed. One whose record is still the one that was
 * looked at gets the score that was found right, or is removed.
 *
 * KEYS[1]  the index
 * KEYS[2…] the sessions
 * ARGV     for each session: its id, its score in ms since 1970 ('' to remove it), and the record that was looked at ('' for none)
 *
 * The ids of those whose record has changed since: they are left as they are.
 */
export const reconcileScript = scriptWhileFull(
  'reconcile',
  onKey,
  settleIndex,
  `
local changed = {}
for n = 2, #KEYS do
  local id, score, seen = ARGV[3 * n - 5], ARGV[3 * n - 4], ARGV[3 * n - 3]
  local current = redis.pcall('GET', KEYS[n])
  if not current or (current == seen and score == '') then
    onKey(1, 'ZREM', id)
  elseif current == seen then
    onKey(1, 'ZADD', score, id)
  else
    changed[#changed + 1] = id
  end
end
settleIndex(1)
return changed`,
)
