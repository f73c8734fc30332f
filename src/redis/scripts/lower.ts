import { onKey, settleIndex } from './parts.ts'
import { scriptWhileFull } from './script.ts'

/**
 * Lowers or removes an index entry, on Cluster. An entry that nobody has confirmed yet, which ends with half a millisecond, goes
 * only if ARGV[2] is exactly its score.
 *
 * KEYS[1]  the index
 * ARGV[1]  session id
 * ARGV[2]  the expected score, or what is left of it once it is confirmed; '' for any
 * ARGV[3]  the new score, ms since 1970; '' to remove the entry
 */
export const lowerScript = scriptWhileFull(
  'lower',
  onKey,
  settleIndex,
  `
local score = tonumber(onKey(1, 'ZSCORE', ARGV[1]) or '')
local expected = tonumber(ARGV[2])
local takes = score and (expected == score or (not expected and score % 1 ~= 0.5))
if score and ARGV[3] ~= '' and expected and math.floor(expected) == score then takes = true end
if takes and ARGV[3] == '' then onKey(1, 'ZREM', ARGV[1]) end
if takes and ARGV[3] ~= '' then onKey(1, 'ZADD', ARGV[3], ARGV[1]) end
settleIndex(1)
return 1`,
)
