import { deleteSessions, onKey, tidyIndex } from './parts.ts'
import { script } from './script.ts'

/**
 * Deletes a session as `remove` does, if its user has more than the given number of sessions.
 *
 * KEYS[1]  the session
 * KEYS[2]  the user's index
 * ARGV[1]  how many sessions the user may have
 * ARGV[2]  the channel on which to publish ARGV[5] if the session is deleted; '' to publish nothing
 * ARGV[3]  session id
 * ARGV[4]  the expected record; '' for any record
 * ARGV[5]  the message
 *
 * Returns the same as `remove` for one session, or -1 if the user has no more sessions than ARGV[1].
 */
export const evictScript = script(
  'evict',
  onKey,
  tidyIndex,
  deleteSessions,
  `
tidyIndex(2)
if onKey(2, 'ZCARD') <= tonumber(ARGV[1]) then return -1 end
local reply = deleteSessions(1, 2)[1]
tidyIndex(2)
return reply`,
)
