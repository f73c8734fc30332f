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
 * `tidyIndex` drops the entries of index KEYS[n] that have ended by Redis's clock. The index's TTL becomes the end of its
 * longest entry. A score beyond the last `Date` was written by another program, and counts as the last `Date`.
 *
 * `added` is the end of an entry that was just added. If it is later than the TTL, that entry is the longest. Then the
 * others need no look. (If another program has shortened the TTL, the next removal of an entry corrects it.)
 *
 * Redis deletes an index with its last entry. If its slot is being moved to another master, this master then refuses
 * all commands on that key. `ifThere` ignores that refusal.
 */
export const tidyIndex = `
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
local function tidyIndex(n, added)
  ifThere(n, 'ZREMRANGEBYSCORE', '-inf', clock())
  if added and ifThere(n, 'PEXPIREAT', added, 'GT') == 1 then return end
  local last = ifThere(n, 'ZRANGE', -1, -1, 'WITHSCORES')
  if last and last[2] then redis.call('PEXPIREAT', KEYS[n], math.ceil(math.min(last[2], 8.64e15))) end
end`

/**
 * The marks on an index entry, on Redis Cluster. They are the fraction of its score, in 128ths of a millisecond. From the
 * year 3084 on, a score has room for 32nds only.
 *
 * - The number of writes that have reserved the entry, times 8. The number 15 means fifteen or more (of 32nds, 3 means
 *   three or more).
 * - Plus a stamp from 0 to 7. All work on the entry changes it. It is 1 to 3 while the entry's end is being moved. It is
 *   4 to 7 while the session is being removed.
 * - An entry at rest has no marks.
 */
export const entryMarks = `
local function stepsOf(ends) return tonumber(ends) < 2 ^ 45 and 128 or 32 end
local function mostMakers(ends) return stepsOf(ends) / 8 - 1 end
local function marksOf(score)
  local ends = math.floor(score)
  local marks = math.floor((score - ends) * stepsOf(ends))
  return ends, math.floor(marks / 8), marks % 8
end
local function marked(ends, makers, stamp)
  local counted = math.min(makers, mostMakers(ends))
  return string.format('%.7f', ends + (8 * counted + stamp) / stepsOf(ends))
end
local function movedStamp(stamp) return stamp % 3 + 1 end
local function removedStamp(stamp) return 4 + (stamp + 1) % 4 end`

/**
 * Deletes sessions KEYS[1] to KEYS[last], and their entries in index KEYS[index] if there is an index. Publishes a
 * message for each deleted session on channel ARGV[2], unless that is ''. A session is deleted even if its message
 * cannot be published (by ACL). The caller settles the index.
 *
 * ARGV[3…] for each session: its id, the expected record ('' for any record), and the message
 *
 * Returns for each session one of:
 * - 1: deleted
 * - 2: deleted, but the message could not be published
 * - 0: there was none
 * - an array: the other record that is there; nothing has changed
 */
export const deleteSessions = `
local function deleteSessions(last, index)
  local replies, keys, ids = {}, {}, {}
  for n = 1, last do
    local expected = ARGV[3 * n + 1]
    local current = redis.pcall('GET', KEYS[n])
    if expected ~= '' and type(current) == 'string' and current ~= expected then
      replies[n] = { current }
    else
      replies[n] = current and 1 or 0
      keys[#keys + 1] = KEYS[n]
      ids[#ids + 1] = ARGV[3 * n]
    end
  end
  if #keys == 0 then return replies end
  redis.call('DEL', unpack(keys))
  if index then redis.call('ZREM', KEYS[index], unpack(ids)) end
  for n = 1, last do
    if replies[n] == 1 and ARGV[2] ~= '' then
      local published = redis.pcall('PUBLISH', ARGV[2], ARGV[3 * n + 2])
      if type(published) == 'table' and published.err then replies[n] = 2 end
    end
  end
  return replies
end`
