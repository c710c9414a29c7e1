-- Put before the text of every script.
--
-- KEYS, the same for every script ({P} = the prefix in braces):
--   1 {P}:meta     HASH    set_id, adopted_at, format, first_day, merging,
--                          merging_until, serial (of the last registration,
--                          about its time in ms), last (id in the log)
--   2 {P}:revoked  ZSET    token id -> expiry, Unix seconds
--   3 {P}:days     HASH    day -> "count:xor", and "total" over all of them
--   4 {P}:log      STREAM  what was revoked, in order
--   5 {P}:when     ZSET    token id -> when it was revoked, Unix milliseconds
--   6 {P}:edges    HASH    edge -> its last report, JSON
--
-- Beside them, on the same slot and computed from the prefix:
--   {P}:revocation:ID  HASH  by, why, at: who revoked it; partner, store: whose
--                            token it is
--   {P}:token:ID       HASH  partner, store, issued_at, expires_at, apis,
--                            renews, renewed_by, serial, was_revoked (1: and
--                            forgotten since): a token record
--   {P}:minute:M       HASH  what happened in that minute, Unix time / 60: who
--                            has counted -> counts, and "total" over all
--   {P}:tries:E        STRING the last batch of tries that E has counted
--   {P}:tokens, {P}:store:S, {P}:partner:P, {P}:grant:P:S
--                      ZSET  token id -> when it is over: expiry of the token
--                            or of its revocation, whichever is later

local META, REVOKED, DAYS, LOG, WHEN, EDGES =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]

local PREFIX = string.sub(META, 1, -5)
local TOKENS = PREFIX .. 'tokens'

local DAY_SEC, DAY_MAX = 86400, 65535
local EXPIRING_SEC = 30 * DAY_SEC
local TURN_MS = 60000
local NO_DIGEST = '0:00000000000000000000000000000000'

-- nil, or the reply that says that a key is not what it should be
local function wrong_type(key, want)
  local got = redis.call('TYPE', key)['ok']
  if got ~= want and got ~= 'none' then
    return redis.error_reply('WRONGTYPE ' .. key .. ' is a ' .. got
                             .. ', not a ' .. want)
  end
end

-- nothing is written before every key is known to be what it should be
for i, want in ipairs({'hash', 'zset', 'hash', 'stream', 'zset', 'hash'}) do
  local wrong = wrong_type(KEYS[i], want)
  if wrong then
    return wrong
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

-- '' where there is none, or one that is none
local function set_id()
  local id = redis.call('HGET', META, 'set_id') or ''
  return #id == 32 and string.match(id, '^[0-9a-f]+$') or ''
end

-- the first day that is kept; all before it is over and forgotten
local function first_day()
  local day = redis.call('HGET', META, 'first_day') or ''
  return math.min(string.match(day, '^%d+$') or yesterday, yesterday)
end

local function day_of(expiry)
  return math.min(math.floor(expiry / DAY_SEC), DAY_MAX)
end

local function revocation_key(id)
  return PREFIX .. 'revocation:' .. id
end

local function minute_key(minute)
  return PREFIX .. 'minute:' .. minute
end

-- XINFO tells the first and the last entry too, which may hold a thousand ids
-- each: `last` is what it would say while nothing is behind it
local function log_last()
  if redis.call('EXISTS', LOG) == 0 then
    return '0-0'
  end
  local last = redis.call('HGET', META, 'last')
  local behind = last and redis.pcall('XRANGE', LOG, '(' .. last, '+',
                                      'COUNT', 1)
  if behind and not behind['err'] and #behind == 0 then
    return last
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
  local last = redis.call('XADD', LOG, 'MAXLEN', '~', length, '*',
                          'prev', log_last(), ...)
  redis.call('HSET', META, 'last', last)
  return last
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

-- moves an id to the day of a later expiry, or brings it in; days that are
-- over have left the digests as a whole
local function digest_put(id, was, expiry)
  if was and day_of(was) >= first_day() then
    digest_change(id, day_of(was), -1)
  end
  digest_change(id, day_of(expiry), 1)
end

-- until when a token is revoked; nil: it is not, or by hand with what no edge
-- takes for an expiry
local function revoked_until(id)
  local score = tonumber(redis.call('ZSCORE', REVOKED, id) or nil)
  return score and score == math.floor(score) and score >= DAY_SEC
         and score < 1e12 and score or nil
end

-- Puts changes, {id, expiry, expiry before or nil}, into the set: log, days,
-- revoked, in this order, so that a script that is stopped half-way can be
-- repeated and Redis knows nothing that no edge hears of.  At most 1000.
-- scope: the partner and store whose tokens they are all, if that was asked for;
-- again: nothing is changed, the entry is there to be confirmed.
-- Returns the id of the entry in the log.
local function revoked_put(changes, length, by, why, ack, scope, again)
  local words = {}
  for i, c in ipairs(changes) do
    words[i] = c[1] .. ':' .. c[2]
  end

  local entry = {'ids', table.concat(words, ' '), 'by', by}
  local function add(name, value)
    if value ~= '' then
      entry[#entry + 1] = name
      entry[#entry + 1] = value
    end
  end
  add('why', why)
  add('partner', scope and scope.partner or '')
  add('store', scope and scope.store or '')
  add('ack', ack and '1' or '')
  add('again', again and '1' or '')
  local last = log_add(length, unpack(entry))

  for _, c in ipairs(changes) do
    digest_put(c[1], c[3], c[2])
  end
  digests_write()

  for _, c in ipairs(changes) do
    redis.call('ZADD', REVOKED, c[2], c[1])
  end
  return last
end

-- Token records.

local RECORD_FIELDS = {'partner', 'store', 'issued_at', 'expires_at', 'apis',
                       'renews', 'renewed_by'}

local function token_key(id)
  return PREFIX .. 'token:' .. id
end

-- the index of all tokens of a partner, of a store, or of both
local function index_key(partner, store)
  if partner ~= '' and store ~= '' then
    return PREFIX .. 'grant:' .. partner .. ':' .. store
  elseif partner ~= '' then
    return PREFIX .. 'partner:' .. partner
  elseif store ~= '' then
    return PREFIX .. 'store:' .. store
  end
  return TOKENS
end

-- every index that holds a token
local function index_keys(partner, store)
  return {TOKENS, index_key(partner, ''), index_key('', store),
          index_key(partner, store)}
end

-- The fields of a record, '' where there is none; without `partner` the token
-- is not on record: then it has at most a `renewed_by`, for an original that
-- is registered after its renewal.  Second value: the error reply.
local function record_read(id)
  local values = redis.pcall('HMGET', token_key(id), unpack(RECORD_FIELDS))
  if values['err'] then
    return nil, redis.error_reply('WRONGTYPE ' .. token_key(id)
                                  .. ' is not a hash')
  end
  local record = {}
  for i, field in ipairs(RECORD_FIELDS) do
    record[field] = values[i] or ''
  end
  return record
end

-- whether a record is of the partner and store asked for ("": any)
local function owned(record, partner, store)
  return (partner == '' or record.partner == partner)
         and (store == '' or record.store == store)
end

-- the rank of the first member behind (score, id), which need not be there
local function rank_behind(key, score, id)
  local low = redis.call('ZCOUNT', key, '-inf', '(' .. score)
  local high = redis.call('ZCOUNT', key, '-inf', score)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if redis.call('ZRANGE', key, middle, middle)[1] > id then
      high = middle
    else
      low = middle + 1
    end
  end
  return low
end

-- the record of a token, or nil
local function record_of(id)
  local record = record_read(id)
  return record and record.partner ~= '' and record or nil
end

-- the first that holds
local function state_of(id, record)
  local expiry = tonumber(record.expires_at) or 0
  if redis.call('ZSCORE', REVOKED, id) then
    return 'revoked'
  elseif expiry <= now then
    return 'expired'
  elseif record.renewed_by ~= '' then
    return 'renewed'
  elseif expiry <= now + EXPIRING_SEC then
    return 'expiring'
  end
  return 'active'
end

-- adds a token as it is shown: id, the fields of its record, state, and
-- revoked at ("": not known), by, why, tries since, the last of them
local function item_add(reply, id, record, state)
  local known = {}
  if state == 'revoked' then
    known = redis.call('HMGET', revocation_key(id), 'at', 'by', 'why', 'tries',
                       'last_try')
    known[4] = known[4] or '0'
  end
  reply[#reply + 1] = id
  for _, field in ipairs(RECORD_FIELDS) do
    reply[#reply + 1] = record[field]
  end
  reply[#reply + 1] = state
  for i = 1, 5 do
    reply[#reply + 1] = known[i] or ''
  end
end

-- Whose revocations are whose: by the record of the token, or, where there is
-- none, by who revoked it.

local function when_key(partner, store)
  if partner ~= '' then
    return PREFIX .. 'when:partner:' .. partner
  end
  return PREFIX .. 'when:store:' .. store
end

-- the lists that a revocation is in, beside `when`
local function when_keys(partner, store)
  local keys = {}
  if partner ~= '' then
    keys[1] = when_key(partner, '')
  end
  if store ~= '' then
    keys[#keys + 1] = when_key('', store)
  end
  return keys
end

-- nil, or the reply that says that one of these lists is none
local function when_wrong(partner, store)
  for _, key in ipairs(when_keys(partner, store)) do
    local wrong = wrong_type(key, 'zset')
    if wrong then
      return wrong
    end
  end
end

-- at: Unix milliseconds, 0: not known
local function revocation_file(id, at, partner, store)
  if partner == '' and store == '' then
    return
  end
  local was = redis.call('HMGET', revocation_key(id), 'partner', 'store')
  for _, key in ipairs(when_keys(was[1] or '', was[2] or '')) do
    redis.pcall('ZREM', key, id)
  end
  redis.call('HSET', revocation_key(id), 'partner', partner, 'store', store)
  for _, key in ipairs(when_keys(partner, store)) do
    redis.call('ZADD', key, at, id)
  end
end

-- at, by, why, partner and store of a revocation, the tries since and the last
-- of them; '' where it is not known, or there is none
local function revocation_read(id)
  local known = redis.call('HMGET', revocation_key(id), 'at', 'by', 'why',
                           'partner', 'store', 'tries', 'last_try')
  known[6] = known[6] or '0'
  for i = 1, 7 do
    known[i] = known[i] or ''
  end
  if known[4] == '' and known[5] == '' then
    local record = record_read(id)
    if record then
      known[4], known[5] = record.partner, record.store
    end
  end
  return known
end

-- The edge whose turn it is to give Redis what it lacks, if any.  A turn is one
-- of seconds: what ends later was said by a clock that was wrong.
local function merging()
  local till = tonumber(redis.call('HGET', META, 'merging_until') or nil) or 0
  local left = till - now_ms
  return left > 0 and left <= TURN_MS and redis.call('HGET', META, 'merging')
end

-- Registrations in their order.  Not below the time: `meta` may be lost, and
-- what is on record must stay older than what comes.
local function serial_last()
  return math.max(tonumber(redis.call('HGET', META, 'serial') or nil) or 0,
                  now_ms - 1)
end

-- what an edge must know to judge its own state, all at one instant
local function heartbeat(policy)
  local replid, role = replication_id()
  local first = first_day()
  return {role, replid, set_id(), log_last(), digest_format(digest_of('total')),
          redis.call('ZCOUNT', REVOKED, first * DAY_SEC, '+inf'),
          first, yesterday, merging() or '', now_ms,
          policy and string.match(redis.call('INFO', 'memory'),
                                  'maxmemory_policy:([%w-]+)') or ''}
end

