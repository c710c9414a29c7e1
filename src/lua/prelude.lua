-- Put before the text of every script.
--
-- KEYS, the same for every script ({P} = the prefix in braces):
--   1 {P}:meta     HASH    set_id, format, first_day, merging, merging_until
--   2 {P}:revoked  ZSET    token id -> expiry, Unix seconds
--   3 {P}:days     HASH    day -> "count:xor", and "total" over all of them
--   4 {P}:log      STREAM  what was revoked, in order
--   5 {P}:when     ZSET    token id -> when it was revoked, Unix milliseconds
--   6 {P}:edges    HASH    edge -> its last report, JSON
--
-- {P}:revocation:ID is on the same slot as the keys above.

local META, REVOKED, DAYS, LOG, WHEN, EDGES =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]

local DAY_SEC, DAY_MAX = 86400, 65535
local NO_DIGEST = '0:00000000000000000000000000000000'

-- nothing is written before every key is known to be what it should be
for i, want in ipairs({'hash', 'zset', 'hash', 'stream', 'zset', 'hash'}) do
  local got = redis.call('TYPE', KEYS[i])['ok']
  if got ~= want and got ~= 'none' then
    return redis.error_reply('WRONGTYPE ' .. KEYS[i] .. ' is a ' .. got
                             .. ', not a ' .. want)
  end
end

local format = redis.call('HGET', META, 'format')
if format and format ~= '1' then
  return redis.error_reply('FORMAT ' .. META .. ' has format ' .. format
                           .. ', this version knows 1')
end

local time = redis.call('TIME')
local now = tonumber(time[1])
local now_ms = time[1] .. string.format('%03d', math.floor(time[2] / 1000))
local yesterday = math.floor(now / DAY_SEC) - 1

-- the first day that is kept; all before it is over and forgotten
local function first_day()
  return tonumber(redis.call('HGET', META, 'first_day')) or yesterday
end

local function day_of(expiry)
  return math.min(math.floor(expiry / DAY_SEC), DAY_MAX)
end

local function revocation_key(id)
  return string.sub(META, 1, -5) .. 'revocation:' .. id
end

local function log_last()
  if redis.call('EXISTS', LOG) == 0 then
    return '0-0'
  end
  local info = redis.call('XINFO', 'STREAM', LOG)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      return info[i + 1]
    end
  end
end

-- `prev` lets an edge see that it has missed nothing in between
local function log_add(length, ...)
  return redis.call('XADD', LOG, 'MAXLEN', '~', length, '*',
                    'prev', log_last(), ...)
end

local function replication_id()
  local info = redis.call('INFO', 'replication')
  return string.match(info, 'master_replid:(%x+)') or '',
         string.match(info, 'role:(%a+)') or ''
end

-- Day digests: read once, changed in memory, written once.

local digests = {}

local function digest_parse(text)
  local count, a, b, c, d = string.match(text or NO_DIGEST,
    '^(%d+):(%x%x%x%x%x%x%x%x)(%x%x%x%x%x%x%x%x)(%x%x%x%x%x%x%x%x)(%x%x%x%x%x%x%x%x)$')
  if not count then
    return digest_parse(nil)
  end
  return {tonumber(count), tonumber(a, 16), tonumber(b, 16),
          tonumber(c, 16), tonumber(d, 16)}
end

local function digest_format(d)
  return string.format('%d:%s%s%s%s', d[1], bit.tohex(d[2]), bit.tohex(d[3]),
                       bit.tohex(d[4]), bit.tohex(d[5]))
end

local function digest_of(field)
  if not digests[field] then
    digests[field] = digest_parse(redis.call('HGET', DAYS, field))
  end
  return digests[field]
end

local function digest_join(d, other, sign)
  d[1] = math.max(d[1] + sign * other[1], 0)
  for i = 2, 5 do
    d[i] = bit.bxor(d[i], other[i])
  end
end

-- counts an id in (sign 1) or out (sign -1) of a day and of the total
local function digest_change(id, day, sign)
  local one = {1, tonumber(string.sub(id, 1, 8), 16),
               tonumber(string.sub(id, 9, 16), 16),
               tonumber(string.sub(id, 17, 24), 16),
               tonumber(string.sub(id, 25, 32), 16)}
  digest_join(digest_of(tostring(day)), one, sign)
  digest_join(digest_of('total'), one, sign)
end

local function digests_write()
  for field, d in pairs(digests) do
    if d[1] == 0 and field ~= 'total' then
      redis.call('HDEL', DAYS, field)
    else
      redis.call('HSET', DAYS, field, digest_format(d))
    end
  end
end

-- moves an id to the day of a later expiry, or brings it in
local function digest_put(id, was, expiry)
  if was then
    digest_change(id, day_of(was), -1)
  end
  digest_change(id, day_of(expiry), 1)
end

-- the edge whose turn it is to give Redis what it lacks, if any
local function merging()
  local till = tonumber(redis.call('HGET', META, 'merging_until')) or 0
  return till > tonumber(now_ms) and redis.call('HGET', META, 'merging')
end

-- what an edge must know to judge its own state, all at one instant
local function heartbeat()
  local replid, role = replication_id()
  local server = redis.call('INFO', 'server')
  local first = first_day()
  return {role, string.match(server, 'run_id:(%x+)') or '', replid,
          redis.call('HGET', META, 'set_id') or '', log_last(),
          redis.call('HGET', DAYS, 'total') or NO_DIGEST,
          redis.call('ZCOUNT', REVOKED, first * DAY_SEC, '+inf'),
          first, yesterday, merging() or ''}
end

