-- Tokens on record, those that are over first come first.  Writes nothing.
--
-- A cursor is the score and id of the last member looked at, so that what is
-- registered meanwhile moves nothing: a token whose expiry is raised may be
-- seen twice, and none is missed.
--
-- ARGV   1 items at most  2 cursor ("": from the start)  3 partner  4 store
--        5 state, "active" being all that work, or "all"  6 what the id,
--        partner or store begins with ("": anything)
-- reply  next cursor ("": that was all; a page may be short, even empty,
--        before), then the items as item_add() says
-- error  INVALID cursor

local limit, cursor = tonumber(ARGV[1]), ARGV[2]
local partner, store, want, prefix = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local WORKS = {active = true, expiring = true, renewed = true}
local SCAN = 1000                        -- members looked at in one call
local PAGE = 100

local key = index_key(partner, store)
local wrong = wrong_type(key, 'zset')
if wrong then
  return wrong
end

local reply, found = {''}, 0

local function begins(text)
  return string.sub(text, 1, #prefix) == prefix
end

local function add(id)
  local record = record_of(id)
  if not record or not owned(record, partner, store)
     or not (begins(id) or begins(record.partner) or begins(record.store))
  then
    return
  end
  local state = state_of(id, record)
  if want == 'all' or want == state or (want == 'active' and WORKS[state]) then
    found = found + 1
    item_add(reply, id, record, state)
  end
end

-- a whole id is looked up at once; a name may look like one
if #prefix == 32 and string.match(prefix, '^[0-9a-f]+$') then
  add(prefix)
  if found > 0 then
    return reply
  end
end

local from, to = '-inf', '+inf'
if WORKS[want] then
  from = '(' .. now
elseif want == 'expired' then
  to = now
end
if want == 'expiring' then
  to = now + EXPIRING_SEC
end

local score, id = string.match(cursor, '^(%d+):([0-9a-f]+)$')
if cursor ~= '' and (not score or #id ~= 32) then
  return redis.error_reply('INVALID cursor')
end

local rank = from == '-inf' and 0 or redis.call('ZCOUNT', key, '-inf', now)
local stop = redis.call('ZCOUNT', key, '-inf', to)
if score then
  rank = math.max(rank, rank_behind(key, score, id))
end

local last = math.min(stop, rank + SCAN)
while rank < last do
  local page = redis.call('ZRANGE', key, rank, math.min(last, rank + PAGE) - 1,
                          'WITHSCORES')
  for i = 1, #page, 2 do
    if found == limit then
      return reply
    end
    add(page[i])
    reply[1] = page[i + 1] .. ':' .. page[i]
    rank = rank + 1
  end
end

if rank >= stop then
  reply[1] = ''
end
return reply
