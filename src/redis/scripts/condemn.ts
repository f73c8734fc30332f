import { entryMarks, onKey, tidyIndex } from './parts.ts'
import { scriptWhileFull } from './script.ts'

/**
 * Stamps an index entry before its removal, on Redis Cluster.
 *
 * A reserved entry stays as it is, because the session may still be written. There is one exception: the caller has seen
 * the session, and exactly one write has reserved the entry, which found no entry before. The session can only come from
 * that write. So that write is done, and the entry can be removed.
 *
 * KEYS[1]  the index
 * ARGV[1]  session id
 * ARGV[2]  stamp only if the user has more entries than this that are not being removed; '' to stamp always
 * ARGV[3]  '1' if the caller has seen the session, and it belongs to this user; else ''
 *
 * Returns one of:
 * - the stamped score, as a string
 * - '': there is nothing to remove
 * - 'enough': the user has no more entries than ARGV[2]
 */
export const condemnScript = scriptWhileFull(
  'condemn',
  onKey,
  tidyIndex,
  entryMarks,
  `
tidyIndex(1)
local before = ifThere(1, 'ZSCORE', ARGV[1])
if not before then return '' end
local ends, makers, stamp = marksOf(tonumber(before))
local isFresh = makers == 1 and stamp == 0
if makers > 0 and not (isFresh and ARGV[3] == '1') then return '' end
if ARGV[2] ~= '' and stamp < 4 then
  local entries, staying = onKey(1, 'ZRANGE', 0, -1, 'WITHSCORES'), 0
  for n = 2, #entries, 2 do
    local _, _, other = marksOf(tonumber(entries[n]))
    if other < 4 then staying = staying + 1 end
  end
  if staying <= tonumber(ARGV[2]) then return 'enough' end
end
local score = marked(ends, 0, removedStamp(stamp))
onKey(1, 'ZADD', score, ARGV[1])
tidyIndex(1)
return score`,
)
