import { deleteSession, onKey, settleIndex } from './parts.ts'
import { script } from './script.ts'

/**
 * Deletes a session as `remove` does, while its user has more than a number of sessions.
 *
 * KEYS[1]  the session
 * KEYS[2]  the user's index
 * ARGV[1]  session id
 * ARGV[2]  a channel on which to publish ARGV[4] if there was a session; '' for none
 * ARGV[3]  the expected record; '' for whatever is there
 * ARGV[4]  a message
 * ARGV[5]  how many sessions the user may have
 *
 * As `remove` for one session; -1 if the user has no more than that.
 */
export const evictScript = script(
  'evict',
  onKey,
  settleIndex,
  deleteSession,
  `
settleIndex(2)
if onKey(2, 'ZCARD') <= tonumber(ARGV[5]) then return -1 end
local reply = deleteSession(1, 2, ARGV[1], ARGV[3], ARGV[2], ARGV[4])
settleIndex(2)
return reply`,
)
