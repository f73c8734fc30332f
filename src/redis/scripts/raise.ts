import { entryMarks, onKey, settleIndex } from './parts.ts'
import { scriptWhileFull } from './script.ts'

/**
 * Lists a session at least until a time, on Cluster.
 *
 * KEYS[1]  the index
 * ARGV[1]  session id
 * ARGV[2]  until when, ms since 1970
 * ARGV[3]  '1' if an entry that is longer gets a stamp, so that it can be lowered after the session was written; else ''
 *
 * The score with that stamp, as a string; '' if there is nothing to lower, or if the entry is reserved.
 */
export const raiseScript = scriptWhileFull(
  'raise',
  onKey,
  settleIndex,
  entryMarks,
  `
local before = onKey(1, 'ZSCORE', ARGV[1])
local score, lowerable = ARGV[2], ''
if before then
  local ends, makers, stamp = marksOf(tonumber(before))
  local isLonger = tonumber(ARGV[2]) > ends
  if makers > 0 then
    score = marked(math.max(ends, ARGV[2]), makers, movedStamp(stamp))
  elseif not isLonger and ARGV[3] == '1' then
    score = marked(ends, 0, movedStamp(stamp))
    lowerable = score
  elseif not isLonger then
    score = before
  end
end
onKey(1, 'ZADD', score, ARGV[1])
settleIndex(1)
return lowerable`,
)
