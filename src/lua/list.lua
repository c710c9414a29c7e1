-- Revocations, newest first; behind them those that came by a bulk load and
-- of which only the expiry is known.  Writes nothing.
--
-- ARGV   1 items at most  2 cursor ("": from the start)  3 only those revoked
--        by ("": all)  4 only those since, Unix milliseconds ("": all)
-- reply  next cursor ("": that was all), then for each: id, expiry, at ("":
--        not known), by, why

local limit, cursor, by, since = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local SCAN = 2000                        -- members looked at in one call
local reply, scanned = {''}, 0

local function add(id, at)
  local known = at and redis.call('HMGET', revocation_key(id), 'by', 'why')
                or {}
  local expiry = redis.call('ZSCORE', REVOKED, id)
  if expiry and (by == '' or known[1] == by) then
    for _, value in ipairs({id, expiry, at or '', known[1] or '',
                            known[2] or ''}) do
      reply[#reply + 1] = value
    end
  end
end

local function full()
  return #reply > limit * 5 or scanned >= SCAN
end

-- walks down one of the two sets; true: the page ended before the set did
local function walk(key, letter, at, id, each)
  local rank = 0
  if id then
    rank = redis.call('ZREVRANK', key, id)
    rank = rank and rank + 1 or redis.call('ZCOUNT', key, '(' .. at, '+inf')
  end
  while true do
    local page = redis.call('ZREVRANGE', key, rank, rank + 99, 'WITHSCORES')
    if #page == 0 then
      return false
    end
    for i = 1, #page, 2 do
      if full() then
        return true
      end
      if each(page[i], page[i + 1]) then
        return false
      end
      reply[1] = letter .. ':' .. page[i + 1] .. ':' .. page[i]
      scanned = scanned + 1
    end
    rank = rank + 100
  end
end

local letter, at, id = string.match(cursor, '^([wr]):(%d+):(%x+)$')
if cursor ~= '' and (not letter or #id ~= 32) then
  return redis.error_reply('INVALID cursor')
end

if letter ~= 'r' then
  local more = walk(WHEN, 'w', at, id, function(member, score)
    if since ~= '' and tonumber(score) < tonumber(since) then
      return true
    end
    add(member, score)
  end)
  if more then
    return reply
  end
  at, id = nil, nil
end

if by == '' and since == '' then
  local more = walk(REVOKED, 'r', at, id, function(member)
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
