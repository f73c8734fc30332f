import { entryMarks, onKey, tidyIndex } from './parts.ts'
import { scriptWhileFull } from './script.ts'

/**
 * Lists a session at least until a given time, on Redis Cluster.
 *
 * KEYS[1]  the index
 * ARGV[1]  session id
 * ARGV[2]  until when, ms since 1970
 * ARGV[3]  '1' to stamp the entry, because the caller moves the session's end and then settles the entry; else ''
 *
 * Returns the score before ('' if it was not listed) and the new score, as strings.
 */
export const raiseScript = scriptWhileFull(
  'raise',
  onKey,
  tidyIndex,
  entryMarks,
  `
local before = onKey(1, 'ZSCORE', ARGV[1])
local ends, makers, stamp = marksOf(tonumber(before or ARGV[2]))
local score = before or ARGV[2]
if makers > 0 or ARGV[3] == '1' then
  score = marked(math.max(ends, ARGV[2]), makers, movedStamp(stamp))
elseif tonumber(ARGV[2]) > ends then
  score = ARGV[2]
end
onKey(1, 'ZADD', score, ARGV[1])
tidyIndex(1)
return { before or '', score }`,
)
