import { entryMarks, onKey, tidyIndex } from './parts.ts'
import { scriptWhileFull } from './script.ts'

/**
 * Ends the work on an index entry, on Redis Cluster. It sets another score or removes the entry, if no other work has
 * changed it.
 *
 * KEYS[1]  the index
 * ARGV[1]  session id
 * ARGV[2]  the score that the work began with
 * ARGV[3]  the new score; '' to remove the entry
 * ARGV[4]  '1' if the caller has reserved the entry, else ''. The caller's reservation ends even if other work has
 *          changed the entry
 *
 * Returns one of:
 * - 1: done
 * - 0: there is no such entry
 * - -1: other work has changed the entry, or has reserved it too, so the entry stays
 */
export const settleScript = scriptWhileFull(
  'settle',
  onKey,
  tidyIndex,
  entryMarks,
  `
local score = tonumber(onKey(1, 'ZSCORE', ARGV[1]) or '')
local reply = 0
if score then
  local ends, makers, stamp = marksOf(score)
  local _, kept = marksOf(tonumber(ARGV[3]) or 0)
  reply = score == tonumber(ARGV[2]) and kept >= makers - 1 and 1 or -1
  if reply == 1 and ARGV[3] == '' then onKey(1, 'ZREM', ARGV[1]) end
  if reply == 1 and ARGV[3] ~= '' then onKey(1, 'ZADD', ARGV[3], ARGV[1]) end
  if reply == -1 and ARGV[4] == '1' and makers > 0 and makers < mostMakers(ends) then
    onKey(1, 'ZADD', makers == 1 and ends or marked(ends, makers - 1, stamp), ARGV[1])
  end
end
tidyIndex(1)
return reply`,
)
