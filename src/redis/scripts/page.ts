import { onKey } from './parts.ts'
import { script } from './script.ts'

/**
 * Reads one page of an index, from the master.
 *
 * KEYS[1]  the index
 * ARGV[1]  ZSCAN cursor
 * ARGV[2]  about how many entries
 *
 * Returns the next cursor ('0' at the end), and the session ids, each followed by its score.
 */
export const pageScript = script('page', onKey, `return onKey(1, 'ZSCAN', ARGV[1], 'COUNT', ARGV[2])`)
