import { onKey, settleIndex } from './parts.ts'
import { scriptWhileFull } from './script.ts'

/**
 * Marks an index entry as being evicted, on Cluster, while the user has more than a number of others. The mark is a quarter of a
 * millisecond on its score.
 *
 * KEYS[1]  the index
 * ARGV[1]  session id
 * ARGV[2]  how many sessions the user may have
 *
 * 1 if it is marked, now or before; 0 if there is no such entry; -1 if the user has no more than that.
 */
export const condemnScript = scriptWhileFull(
  'condemn',
  onKey,
  settleIndex,
  `
settleIndex(1)
local score = tonumber(onKey(1, 'ZSCORE', ARGV[1]) or '')
if not score then return 0 end
if score % 1 == 0.25 then return 1 end
local entries, others = onKey(1, 'ZRANGE', 0, -1, 'WITHSCORES'), 0
for n = 2, #entries, 2 do
  if entries[n] % 1 ~= 0.25 then others = others + 1 end
end
if others <= tonumber(ARGV[2]) then return -1 end
onKey(1, 'ZADD', math.floor(score) + 0.25, ARGV[1])
settleIndex(1)
return 1`,
)
