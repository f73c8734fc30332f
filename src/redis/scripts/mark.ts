import { scriptWhileFull } from './script.ts'

/**
 * Writes something that leaves nothing behind. WAIT waits for the last write of its own connection; after this one, that is
 * everything so far, by whomever.
 *
 * KEYS[1]  a session that does not exist, and does not afterwards
 */
export const markScript = scriptWhileFull(
  'mark',
  `redis.call('SET', KEYS[1], '') return redis.call('DEL', KEYS[1])`,
)
