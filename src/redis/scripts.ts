import { createHash } from 'node:crypto'
import { CorruptSessionError } from '../session/errors.ts'
import type { SessionClient } from './clients/client.ts'

/** A Lua script under the name that tests and traces know it by. */
export interface Script {
  readonly name: string
  readonly source: string
  readonly sha1: string
}

/** Runs a script by its SHA-1, and sends its source only to a server that does not know it. */
export async function run(
  client: SessionClient,
  script: Script,
  keys: string[],
  args: string[],
): Promise<unknown> {
  const options = { keys, arguments: args }
  try {
    return await client.evalSha(script.sha1, options)
  } catch (error) {
    if (!hasPrefix(error, 'NOSCRIPT')) throw namingTheKey(error, keys)
  }
  try {
    return await client.eval(script.source, options)
  } catch (error) {
    throw namingTheKey(error, keys)
  }
}

/** The scripts answer `WRONGTYPE <n>` where KEYS[n] holds something that this package never writes there. */
function namingTheKey(error: unknown, keys: string[]): unknown {
  if (!hasPrefix(error, 'WRONGTYPE')) return error
  const key = keys[Number(/^WRONGTYPE (\d+)/.exec(error.message)?.[1] ?? 1) - 1] as string
  return new CorruptSessionError(key, 'is of another type than this package writes there')
}

export function hasPrefix(error: unknown, prefix: string): error is Error {
  return error instanceof Error && error.message.startsWith(prefix)
}

function script(name: string, ...parts: string[]): Script {
  return named(name, [`-- redis-user-sessions ${name}`, ...parts])
}

/** A script that may also write while Redis is full. */
function scriptWhileFull(name: string, ...parts: string[]): Script {
  return named(name, ['#!lua flags=allow-oom', `-- redis-user-sessions ${name}`, ...parts])
}

function named(name: string, lines: string[]): Script {
  const source = lines.join('\n')
  return { name, source, sha1: createHash('sha1').update(source).digest('hex') }
}

/** Calls Redis; a key of the wrong type ends the script with the number of that key. */
const onKey = `
local function onKey(n, command, ...)
  local reply = redis.pcall(command, KEYS[n], ...)
  if type(reply) == 'table' and reply.err then
    if string.sub(reply.err, 1, 9) == 'WRONGTYPE' then reply.err = 'WRONGTYPE ' .. n end
    error(reply)
  end
  return reply
end`

/**
 * Drops what has expired by Redis's clock from index KEYS[n], and lets the index live as long as its longest session. (On
 * Cluster an entry that is not confirmed yet has half a millisecond more, and the score of one whose session is being evicted is
 * negative: with `evicting` those are looked at as well.)
 *
 * Where all that has changed since is that one entry was raised to `raised`, which is longer than any other or the index would not
 * take it for its own end, nothing needs to be looked for.
 *
 * Numbers are kept as strings as far as possible: to format one takes Redis as long as a command.
 *
 * An index whose last entry has been removed is gone; and while its slot is being moved to another master of a Cluster, this one
 * refuses all commands on a key that is not there.
 */
const settleIndex = `
local function ifThere(n, command, ...)
  local reply = redis.pcall(command, KEYS[n], ...)
  if type(reply) ~= 'table' or not reply.err then return reply end
  if not string.find(reply.err, 'non local key', 1, true) then error(reply) end
end
local function settleIndex(n, evicting, raised)
  local time = redis.call('TIME')
  local now = time[1] .. string.sub('00000' .. time[2], -6, -4)
  ifThere(n, 'ZREMRANGEBYSCORE', '-' .. now, now)
  if raised and redis.call('PEXPIREAT', KEYS[n], raised, 'GT') == 1 then return end
  local last = ifThere(n, 'ZRANGE', -1, -1, 'WITHSCORES')
  if not last or not last[2] then return end
  local longest = math.abs(last[2])
  if evicting then
    longest = math.max(longest, math.abs(redis.call('ZRANGE', KEYS[n], 0, 0, 'WITHSCORES')[2]))
  end
  redis.call('PEXPIREAT', KEYS[n], math.floor(longest))
end`

/**
 * Writes a session if its record is still the one expected, and moves its index entry along.
 *
 * KEYS[1]  the session
 * KEYS[2]  the owner's index, where ARGV[5] is '1'; the remaining keys are indexes that list it no longer
 * ARGV[1]  session id
 * ARGV[2]  expiry, ms since 1970
 * ARGV[3]  'keep' to let a session that has a TTL keep it, '' to set the expiry
 * ARGV[4]  the new record
 * ARGV[5]  '1' if the session has an owner, else '0'
 * ARGV[6]  the expected record; absent: there must be none
 *
 * The expiry, if it was written; 0 if there is none where one was expected; in an array: the record that is there instead.
 * Neither of these changes anything.
 */
export const writeScript = script(
  'write',
  onKey,
  settleIndex,
  `
local current = onKey(1, 'GET') or nil
if current ~= ARGV[6] then return current and { current } or 0 end
local expires = ARGV[2]
if ARGV[3] == 'keep' then
  local kept = redis.call('PEXPIRETIME', KEYS[1])
  if kept > 0 then expires = kept end
end
local previous = 2
if ARGV[5] == '1' then
  local raised = onKey(2, 'ZADD', 'GT', 'CH', expires, ARGV[1]) == 1
  if not raised then redis.call('ZADD', KEYS[2], expires, ARGV[1]) end
  settleIndex(2, false, raised and expires)
  previous = 3
end
for n = previous, #KEYS do
  onKey(n, 'ZREM', ARGV[1])
  settleIndex(n)
end
redis.call('SET', KEYS[1], ARGV[4], 'PXAT', expires)
return tonumber(expires)`,
)

/**
 * Moves the expiry of a session and changes how its record begins, if it still begins as expected and is listed: whatever else
 * another write has changed meanwhile stays. Every change of owner moves the entry in the same step, so that the index of the
 * owner who was read tells whether he still is; a session without one is expected to begin with all of its record.
 *
 * KEYS[1]  the session
 * KEYS[2]  its owner's index; absent for an anonymous session
 * ARGV[1]  session id
 * ARGV[2]  expiry, ms since 1970
 * ARGV[3]  to which byte, counted from 0, the record is expected to be ARGV[4]
 * ARGV[4]  how the record is expected to begin
 * ARGV[5]  what it is to begin with
 *
 * 1; 0 if something is not as expected, or the expiry is the one that is listed, and nothing has changed.
 */
export const touchScript = script(
  'touch',
  onKey,
  settleIndex,
  `
if onKey(1, 'GETRANGE', 0, ARGV[3]) ~= ARGV[4] then return 0 end
if KEYS[2] and onKey(2, 'ZADD', 'XX', 'CH', ARGV[2], ARGV[1]) == 0 then return 0 end
redis.call('SETRANGE', KEYS[1], 0, ARGV[5])
redis.call('PEXPIREAT', KEYS[1], ARGV[2])
if KEYS[2] then settleIndex(2, false, ARGV[2]) end
return 1`,
)

/**
 * Deletes session KEYS[1] with its entries in the indexes from KEYS[first] on; publishes a message on a channel unless it is ''.
 * What cannot be published (the client may not, by ACL) is deleted all the same.
 */
const deleteSession = `
local function deleteSession(id, first, channel, message)
  local deleted = redis.call('DEL', KEYS[1])
  for n = first, #KEYS do
    if redis.call('TYPE', KEYS[n]).ok == 'zset' then
      redis.call('ZREM', KEYS[n], id)
      settleIndex(n)
    end
  end
  if deleted == 1 and channel ~= '' then
    local published = redis.pcall('PUBLISH', channel, message)
    if type(published) == 'table' and published.err then return 2 end
  end
  return deleted
end`

/**
 * Deletes a session if its record is still the one expected, or is of another type, and its index entries with it.
 *
 * KEYS[1]  the session
 * KEYS[2…] indexes that may list it
 * ARGV[1]  session id
 * ARGV[2]  a channel on which to publish ARGV[3] if there was a session; '' for none
 * ARGV[3]  a message
 * ARGV[4]  the expected record; absent: whatever is there
 *
 * 1 deleted; 2 deleted, but not published; 0 there was none; in an array: the record that is there instead, and nothing has
 * changed.
 */
export const removeScript = script(
  'remove',
  settleIndex,
  deleteSession,
  `
local current = redis.pcall('GET', KEYS[1])
if ARGV[4] and type(current) == 'string' and current ~= ARGV[4] then return { current } end
return deleteSession(ARGV[1], 2, ARGV[2], ARGV[3])`,
)

/**
 * Deletes a session as `remove` does, while its user has more than a number of sessions.
 *
 * KEYS[1]  the session
 * KEYS[2]  the user's index
 * ARGV[1…4] as for `remove`; an expected record of '': whatever is there
 * ARGV[5]  how many sessions the user may have
 *
 * As `remove`; -1 where he has no more than that.
 */
export const evictScript = script(
  'evict',
  onKey,
  settleIndex,
  deleteSession,
  `
settleIndex(2)
if onKey(2, 'ZCARD') <= tonumber(ARGV[5]) then return -1 end
local current = redis.pcall('GET', KEYS[1])
if ARGV[4] ~= '' and type(current) == 'string' and current ~= ARGV[4] then return { current } end
return deleteSession(ARGV[1], 2, ARGV[2], ARGV[3])`,
)

/**
 * Marks an index entry as being evicted, while the user has more than a number of others, on Cluster: its score becomes negative.
 *
 * KEYS[1]  the index
 * ARGV[1]  session id
 * ARGV[2]  how many sessions the user may have
 *
 * 1 if it is marked, now or before; 0 if there is no such entry; -1 if he has no more than that.
 */
export const condemnScript = script(
  'condemn',
  onKey,
  settleIndex,
  `
settleIndex(1, true)
local score = tonumber(onKey(1, 'ZSCORE', ARGV[1]) or 0)
if score < 0 then return 1 end
if score == 0 then return 0 end
if onKey(1, 'ZCOUNT', 0, '+inf') <= tonumber(ARGV[2]) then return -1 end
onKey(1, 'ZADD', -score, ARGV[1])
settleIndex(1, true)
return 1`,
)

/**
 * Reads sessions with their true expiry, from the master and in one instant.
 *
 * KEYS     sessions
 *
 * For each the record (nil where there is none, or a value of another type) and its PEXPIRETIME (-2 where there is none,
 * -1 where it has no TTL).
 */
export const readScript = script(
  'read',
  `
local found = {}
for n, key in ipairs(KEYS) do
  local record = redis.pcall('GET', key)
  found[2 * n - 1] = type(record) == 'string' and record
  found[2 * n] = redis.call('PEXPIRETIME', key)
end
return found`,
)

/**
 * One page of an index, from the master.
 *
 * KEYS[1]  the index
 * ARGV[1]  ZSCAN cursor
 * ARGV[2]  about how many entries
 *
 * The next cursor ('0' at the end), and session ids each followed by its score.
 */
export const pageScript = script('page', onKey, `return onKey(1, 'ZSCAN', ARGV[1], 'COUNT', ARGV[2])`)

/**
 * Makes an index agree with sessions: an entry whose session is gone is removed; one whose record is still the one that was
 * looked at is listed under the session's true expiry if it is this user's, and removed if it is not.
 *
 * KEYS[1]  the index
 * KEYS[2…] the sessions
 * ARGV     for each session: its id, '1' if it is this user's or '0', and the record that was looked at ('' for none)
 *
 * The ids of those whose record has changed since: they are left as they are.
 */
export const reconcileScript = script(
  'reconcile',
  onKey,
  settleIndex,
  `
local changed = {}
for n = 2, #KEYS do
  local id, his, seen = ARGV[3 * n - 5], ARGV[3 * n - 4], ARGV[3 * n - 3]
  local current = redis.pcall('GET', KEYS[n])
  if not current or (current == seen and his == '0') then
    onKey(1, 'ZREM', id)
  elseif current == seen then
    local expires = redis.call('PEXPIRETIME', KEYS[n])
    if expires > 0 then onKey(1, 'ZADD', expires, id) end
  else
    changed[#changed + 1] = id
  end
end
settleIndex(1)
return changed`,
)

/**
 * Lists a session no sooner than its expiry, on Cluster.
 *
 * KEYS[1]  the index
 * ARGV[1]  session id
 * ARGV[2]  score, ms since 1970
 * ARGV[3]  a score that ARGV[2] replaces even if it is lower; '' for none
 *
 * The score before, as a string; '' if it was not listed.
 */
export const raiseScript = script(
  'raise',
  onKey,
  settleIndex,
  `
local before = onKey(1, 'ZSCORE', ARGV[1]) or ''
if before ~= '' and tonumber(before) == tonumber(ARGV[3]) then
  onKey(1, 'ZADD', ARGV[2], ARGV[1])
else
  onKey(1, 'ZADD', 'GT', ARGV[2], ARGV[1])
end
settleIndex(1, true)
return before`,
)

/**
 * Lowers or removes an index entry whose score has not changed, on Cluster. An entry that is to be lowered may have been confirmed
 * meanwhile, which takes its half millisecond away.
 *
 * KEYS[1]  the index
 * ARGV[1]  session id
 * ARGV[2]  the expected score; '' for any
 * ARGV[3]  the new score; '' to remove the entry
 */
export const lowerScript = script(
  'lower',
  onKey,
  settleIndex,
  `
local score = onKey(1, 'ZSCORE', ARGV[1])
local same = score and (ARGV[2] == '' or tonumber(score) == tonumber(ARGV[2]))
local confirmed = score and ARGV[2] ~= '' and ARGV[3] ~= '' and tonumber(score) == math.floor(ARGV[2])
if same or confirmed then
  if ARGV[3] == '' then onKey(1, 'ZREM', ARGV[1]) else onKey(1, 'ZADD', ARGV[3], ARGV[1]) end
end
settleIndex(1, true)
return 1`,
)

/** KEYS[1] an index, ARGV[1] a session id: 1 if the index lists it, else 0; a key of another type lists nothing. */
export const listsScript = script(
  'lists',
  `
local isIndex = redis.call('TYPE', KEYS[1]).ok == 'zset'
return isIndex and redis.call('ZSCORE', KEYS[1], ARGV[1]) and 1 or 0`,
)

/**
 * KEYS[1] a session that does not exist, and does not afterwards. WAIT waits for the last write of its own connection, which since
 * Redis 7.2 no other command counts as; after this one, that is everything so far, by whomever.
 */
export const markScript = scriptWhileFull(
  'mark',
  `redis.call('SET', KEYS[1], '') return redis.call('DEL', KEYS[1])`,
)
