/** Lua code that several scripts share. */

/** Calls Redis. If a key has the wrong type, the script ends with the number of that key. */
export const onKey = `
local function onKey(n, command, ...)
  local reply = redis.pcall(command, KEYS[n], ...)
  if type(reply) == 'table' and reply.err then
    if string.sub(reply.err, 1, 9) == 'WRONGTYPE' then reply.err = 'WRONGTYPE ' .. n end
    error(reply)
  end
  return reply
end`

/**
 * Drops what has ended by Redis's clock from index KEYS[n], and lets the index live as long as its longest entry.
 *
 * An index whose last entry has been removed is gone. While its slot is being moved to another master of a Cluster, this
 * master then refuses all commands on the key.
 */
export const settleIndex = `
local function ifThere(n, command, ...)
  local reply = redis.pcall(command, KEYS[n], ...)
  if type(reply) ~= 'table' or not reply.err then return reply end
  if string.sub(reply.err, 1, 9) == 'WRONGTYPE' then reply.err = 'WRONGTYPE ' .. n end
  if not string.find(reply.err, 'non local key', 1, true) then error(reply) end
end
local function clock()
  local time = redis.call('TIME')
  return time[1] .. string.sub('00000' .. time[2], -6, -4)
end
local function settleIndex(n)
  ifThere(n, 'ZREMRANGEBYSCORE', '-inf', clock())
  local last = ifThere(n, 'ZRANGE', -1, -1, 'WITHSCORES')
  if last and last[2] then redis.call('PEXPIREAT', KEYS[n], math.ceil(last[2])) end
end`

/**
 * The marks on an index entry, on Redis Cluster. They are the fraction of its score, in 32nds of a millisecond.
 *
 * - Each write that has reserved the entry counts 8. A count of 3 writes means three or more.
 * - The rest is a stamp. All work on the entry changes it. It is 1 to 3 while the entry's end is being moved. It is 4
 *   to 7 while the session is being removed.
 * - An entry at rest has no marks.
 */
export const entryMarks = `
local function marksOf(score)
  local ends = math.floor(score)
  local marks = math.floor((score - ends) * 32)
  return ends, math.floor(marks / 8), marks % 8
end
local function marked(ends, makers, stamp) return string.format('%.5f', ends + (8 * makers + stamp) / 32) end
local function movedStamp(stamp) return stamp % 3 + 1 end
local function removedStamp(stamp) return 4 + (stamp + 1) % 4 end`

/**
 * Deletes session KEYS[n] with its entry in index KEYS[index], if there is such a key, and publishes a message unless the
 * channel is ''. A message that cannot be published (by ACL) does not keep the session. The caller settles the index.
 *
 * 1 deleted; 2 deleted, but not published; 0 there was none; in a table: the record that is there instead of `expected`, and
 * nothing has changed. An `expected` of '' is whatever is there.
 */
export const deleteSession = `
local function deleteSession(n, index, id, expected, channel, message)
  local current = redis.pcall('GET', KEYS[n])
  if expected ~= '' and type(current) == 'string' and current ~= expected then return { current } end
  local deleted = redis.call('DEL', KEYS[n])
  if index then redis.call('ZREM', KEYS[index], id) end
  if deleted == 1 and channel ~= '' then
    local published = redis.pcall('PUBLISH', channel, message)
    if type(published) == 'table' and published.err then return 2 end
  end
  return deleted
end`
