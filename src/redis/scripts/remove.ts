import { deleteSessions, tidyIndex } from './parts.ts'
import { script } from './script.ts'

/**
 * Deletes sessions of one user, or anonymous sessions. A session is deleted only if its record is the expected one. A
 * key of another type than string is deleted too.
 *
 * KEYS     the sessions; after them the user's index, if ARGV[1] is '1'
 * ARGV[1]  '1' if the last key is an index, else '0'
 * ARGV[2]  the channel for one message per deleted session; '' to publish nothing
 * ARGV[3…] for each session: its id, the expected record ('' for any record), and the message
 *
 * Returns for each session one of:
 * - 1: deleted
 * - 2: deleted, but the message could not be published
 * - 0: there was none
 * - an array: the other record that is there
 */
export const removeScript = script(
  'remove',
  tidyIndex,
  deleteSessions,
  `
local last = ARGV[1] == '1' and #KEYS - 1 or #KEYS
local index = last < #KEYS and redis.call('TYPE', KEYS[#KEYS]).ok == 'zset' and #KEYS
local replies = deleteSessions(last, index)
if index then tidyIndex(index) end
return replies`,
)
