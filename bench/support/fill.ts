/**
 * Fills the benchmark's own server with sessions in the stores' own format, a million in seconds: by Lua on the server.
 */
import type { Client } from './contenders.ts'
import { DAY_MS, sessionData } from './sessions.ts'

export const PREFIX = 'sess:'
export const USER_PREFIX = 'user:'

const BATCH = 10_000
const USER = 'USER-ID'

/**
 * KEYS[1]  session prefix
 * KEYS[2]  user prefix
 * ARGV     first number, number of sessions, sessions of one user, name of the users, record before and after the user
 *          id, expiry in ms since 1970
 */
const SCRIPT = `
local first, many, each, name = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
for n = first, first + many - 1 do
  local user = name .. math.floor(n / each)
  local id = string.sub(redis.sha1hex(user .. ':' .. n), 1, 32)
  local index = KEYS[2] .. user .. ':sessions'
  redis.call('SET', KEYS[1] .. id, ARGV[5] .. user .. ARGV[6], 'PXAT', ARGV[7])
  redis.call('ZADD', index, ARGV[7], id)
  redis.call('PEXPIREAT', index, ARGV[7])
end`

/** Adds sessions number `first` and up; users are named `name0`, `name1`, … and have `each` sessions. */
export async function fill(
  client: Client,
  { first = 0, many, each = 5, name }: { first?: number; many: number; each?: number; name: string },
): Promise<void> {
  const [before, after] = JSON.stringify(sessionData(USER, 300)).split(USER) as [string, string]
  const expires = String(Date.now() + DAY_MS)
  for (let at = first; at < first + many; at += BATCH) {
    const batch = Math.min(BATCH, first + many - at)
    const args = [String(at), String(batch), String(each), name, before, after, expires]
    await client.eval(SCRIPT, { keys: [PREFIX, USER_PREFIX], arguments: args })
  }
}
