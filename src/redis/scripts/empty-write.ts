import { scriptWhileFull } from './script.ts'

/**
 * Does a write that leaves nothing behind. WAIT waits for the last write of its own connection. After this write, that
 * includes every earlier write, of any connection.
 *
 * KEYS[1]  a session key that does not exist, before and after
 */
export const emptyWriteScript = scriptWhileFull(
  'empty-write',
  `redis.call('SET', KEYS[1], '') return redis.call('DEL', KEYS[1])`,
)
