import { deleteSessions, settleIndex } from './parts.ts'
import { script } from './script.ts'

/**
 * Deletes sessions of one user, or anonymous ones. Each goes only if its record is still the one expected, or is of another
 * type than a string.
 *
 * KEYS     the sessions; after them the user's index, if ARGV[1] is '1'
 * ARGV[1]  '1' if the last key is an index, else '0'
 * ARGV[2]  a channel on which to publish a message for each session that was there; '' for none
 * ARGV[3…] for each session: its id, the expected record ('' for whatever is there), and the message
 *
 * For each session: 1 deleted; 2 deleted, but not published; 0 there was none; in an array: the record that is there instead.
 */
export const removeScript = script(
  'remove',
  settleIndex,
  deleteSessions,
  `
local last = ARGV[1] == '1' and #KEYS - 1 or #KEYS
local index = last < #KEYS and redis.call('TYPE', KEYS[#KEYS]).ok == 'zset' and #KEYS
local replies = deleteSessions(last, index)
if index then settleIndex(index) end
return replies`,
)
