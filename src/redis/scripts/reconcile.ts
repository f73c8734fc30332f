import { onKey, tidyIndex } from './parts.ts'
import { scriptWhileFull } from './script.ts'

/**
 * Corrects index entries after their sessions were read. The entry of a session that is gone is removed. If the record
 * has not changed since it was read, the entry gets the given score, or is removed.
 *
 * KEYS[1]  the index
 * KEYS[2…] the sessions
 * ARGV     for each session: its id, its score ('' to remove it), and the record that was read ('' for none)
 *
 * Scores are in ms since 1970.
 *
 * Returns the ids of sessions whose record has changed since. Their entries stay as they are.
 */
export const reconcileScript = scriptWhileFull(
  'reconcile',
  onKey,
  tidyIndex,
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
tidyIndex(1)
return changed`,
)
