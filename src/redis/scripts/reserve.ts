import { entryMarks, onKey, settleIndex } from './parts.ts'
import { script } from './script.ts'

/**
 * Lists a session that is about to be made this user's, on Cluster. The entry is reserved until its maker settles it: nobody else
 * removes it, because the session may be written at any moment.
 *
 * KEYS[1]  the index
 * ARGV[1]  session id
 * ARGV[2]  until when, ms since 1970
 * ARGV[3]  how many sessions the user may have, this one included; '' for any number
 *
 * The score before ('' if it was not listed) and the new one, as strings; 'full' if the user has as many sessions as allowed, and
 * nothing has changed. What has ended is dropped after the new entry is there: an index that was empty in between could not be
 * written while its slot is being moved.
 */
export const reserveScript = script(
  'reserve',
  onKey,
  settleIndex,
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
  score = marked(math.max(ends, ARGV[2]), math.min(makers + 1, 3), movedStamp(stamp))
end
onKey(1, 'ZADD', score, ARGV[1])
settleIndex(1)
return { before or '', score }`,
)
