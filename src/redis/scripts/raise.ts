import { onKey, settleIndex } from './parts.ts'
import { scriptWhileFull } from './script.ts'

/**
 * Lists a session at least until a time, on Cluster.
 *
 * KEYS[1]  the index
 * ARGV[1]  session id
 * ARGV[2]  until when, ms since 1970
 * ARGV[3]  a score that ARGV[2] replaces even if it is lower; '' for none
 *
 * The score before, as a string; '' if it was not listed.
 */
export const raiseScript = scriptWhileFull(
  'raise',
  onKey,
  settleIndex,
  `
local before = onKey(1, 'ZSCORE', ARGV[1]) or ''
if before ~= '' and tonumber(before) == tonumber(ARGV[3]) then
  onKey(1, 'ZADD', ARGV[2], ARGV[1])
else
  onKey(1, 'ZADD', 'GT', ARGV[2], ARGV[1])
end
settleIndex(1)
return before`,
)
