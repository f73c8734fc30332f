import { onKey, settleIndex } from './parts.ts'
import { script } from './script.ts'

/**
 * Lists a session that is about to be written, on Cluster. Half a millisecond on its score says that nobody has confirmed the
 * session yet: a listing that does not find the session leaves the entry alone.
 *
 * KEYS[1]  the index
 * ARGV[1]  session id
 * ARGV[2]  until when, ms since 1970
 * ARGV[3]  how many sessions the user may have, this one included; '' for any number
 *
 * The new score, as a string; 'full' if the user has as many sessions as allowed, and nothing has changed.
 */
export const reserveScript = script(
  'reserve',
  onKey,
  settleIndex,
  `
settleIndex(1)
local before = onKey(1, 'ZSCORE', ARGV[1])
if ARGV[3] ~= '' and not before and onKey(1, 'ZCARD') >= tonumber(ARGV[3]) then return 'full' end
local score = string.format('%.1f', math.floor(math.max(before or 0, ARGV[2])) + 0.5)
onKey(1, 'ZADD', score, ARGV[1])
settleIndex(1)
return score`,
)
