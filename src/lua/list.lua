-- Revocations, newest first; behind them those that came by a bulk load and
-- of which only the expiry is known.  Writes nothing.
--
-- A cursor is the set that is walked down, and the score and id of the last
-- member looked at, so that what is revoked meanwhile moves nothing.
--
-- ARGV   1 items at most  2 cursor ("": from the start)  3 partner  4 store:
--        of whom ("": of all)  5 only those since, Unix milliseconds ("": all)
--        6 "partner", "store": the one who asks ("": an operator)
-- reply  next cursor ("": that was all; a page may be short, even empty,
--        before), then for each: id, expiry, and as revocation_read() says
-- error  INVALID cursor

local limit, cursor = tonumber(ARGV[1]), ARGV[2]
local partner, store, since = ARGV[3], ARGV[4], tonumber(ARGV[5]) or 0
local asks = ARGV[6]
local SCAN = 1000                        -- members looked at in one call
local reply, found, scanned = {''}, 0, 0

-- a cursor names a member that may not be shown: to owners one of their own
local when = WHEN
for _, key in ipairs(when_keys(asks == 'store' and '' or partner,
                               asks == 'partner' and '' or store))
do
  local wrong = wrong_type(key, 'zset')
  if wrong then
    return wrong
  end
  if when == WHEN
     or redis.call('ZCARD', key) < redis.call('ZCARD', when)
  then
    when = key
  end
end

local function add(id)
  local expiry = redis.call('ZSCORE', REVOKED, id)
  local known = expiry and revocation_read(id)
  if known and owned({partner = known[4], store = known[5]}, partner, store)
  then
    found = found + 1
    reply[#reply + 1] = id
    reply[#reply + 1] = expiry
    for i = 1, 7 do
      reply[#reply + 1] = known[i]
    end
  end
end

-- walks down a set; true: the page ended before the set did
local function walk(key, letter, score, id, each)
  local rank = 0
  if score then
    local low = rank_behind(key, score, id)
    local here = redis.call('ZSCORE', key, id)
    if here and tonumber(here) == tonumber(score) then
      low = low - 1
    end
    rank = redis.call('ZCARD', key) - low
  end
  while true do
    local page = redis.call('ZREVRANGE', key, rank, rank + 99, 'WITHSCORES')
    if #page == 0 then
      return false
    end
    for i = 1, #page, 2 do
      if found == limit or scanned == SCAN then
        return true
      end
      if each(page[i], tonumber(page[i + 1])) then
        return false
      end
      reply[1] = letter .. ':' .. page[i + 1] .. ':' .. page[i]
      scanned = scanned + 1
    end
    rank = rank + 100
  end
end

local letter, score, id = string.match(cursor, '^([wr]):(%d+):(%x+)$')
if cursor ~= '' and (not letter or #id ~= 32) then
  return redis.error_reply('INVALID cursor')
end

if letter ~= 'r' then
  local more = walk(when, 'w', score, id, function(member, at)
    if at < since then
      return true
    end
    add(member)
  end)
  if more then
    return reply
  end
  score, id = nil, nil
end

if when == WHEN and since == 0 then
  local more = walk(REVOKED, 'r', score, id, function(member)
    if not redis.call('ZSCORE', WHEN, member) then
      add(member)
    end
  end)
  if more then
    return reply
  end
end

reply[1] = ''
return reply
