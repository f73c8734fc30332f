import { deleteSessions, onKey, settleIndex } from './parts.ts'
import { script } from './script.ts'

/**
 * Deletes a session as `remove` does, while its user has more than a number of sessions.
 *
 * KEYS[1]  the session
 * KEYS[2]  the user's index
 * ARGV[1]  how many sessions the user may have
 * ARGV[2]  a channel on which to publish ARGV[5] if there was a session; '' for none
 * ARGV[3]  session id
 * ARGV[4]  the expected record; '' for whatever is there
 * ARGV[5]  a message
 *
 * As `remove` for one session; -1 if the user has no more than that.
 */
export const evictScript = script(
  'evict',
  onKey,
  settleIndex,
  deleteSessions,
  `
settleIndex(2)
if onKey(2, 'ZCARD') <= tonumber(ARGV[1]) then return -1 end
local reply = deleteSessions(1, 2)[1]
settleIndex(2)
return reply`,
)
