import { entryMarks, onKey, tidyIndex } from './parts.ts'
import { script } from './script.ts'

/**
 * Lists a session before a write makes it, on Redis Cluster. The entry is reserved until that write settles it. Nothing
 * else removes a reserved entry, because the session may be written at any moment.
 *
 * KEYS[1]  the index
 * ARGV[1]  session id
 * ARGV[2]  until when, ms since 1970
 * ARGV[3]  how many sessions the user may have, this one included; '' for any number
 *
 * Returns the score before ('' if it was not listed) and the new score, as strings. Returns 'full', and changes
 * nothing, if the user has as many sessions as allowed.
 *
 * Ended entries are dropped only after the new one is there. Otherwise the index could be empty in between. An empty
 * index cannot be written while its slot is being moved.
 */
export const reserveScript = script(
  'reserve',
  onKey,
  tidyIndex,
  entryMarks,
  `
local now = clock()
local before = onKey(1, 'ZSCORE', ARGV[1])
if before and tonumber(before) <= tonumber(now) then before = false end
if ARGV[3] ~= '' and not before then
  local entries = #onKey(1, 'ZRANGE', '(' .. now, '+inf', 'BYSCORE')
  if entries >= tonumber(ARGV[3]) then return 'full' end
end
local score = marked(ARGV[2], 1, 0)
if before then
  local ends, makers, stamp = marksOf(tonumber(before))
  score = marked(math.max(ends, ARGV[2]), makers + 1, movedStamp(stamp))
end
onKey(1, 'ZADD', score, ARGV[1])
tidyIndex(1)
return { before or '', score }`,
)
