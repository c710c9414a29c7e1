-- A page of the tokens that a scope hits: those on record that are not over.
-- Writes nothing.
--
-- Whatever is registered after the first page is not hit: its serial is above
-- that of the first page.  An expiry only grows, so that none is missed.
--
-- ARGV   1 partner  2 store: the scope ("": any)  3 partner  4 store: whose
--        tokens may be hit ("": anybody's)  5 serial ("": this is the first
--        page)  6 cursor ("": from the start)  7 tokens looked at, at most
-- reply  serial, next cursor ("": that was all), tokens hit (of all pages, at
--        this moment), then the ids

local partner, store = ARGV[1], ARGV[2]
local serial = ARGV[5] ~= '' and ARGV[5]
               or string.format('%.0f', serial_last())

local function within(scope, must)
  return must == '' or scope == '' or scope == must
end

if not within(partner, ARGV[3]) or not within(store, ARGV[4]) then
  return {serial, '', 0}
end

local key = index_key(partner ~= '' and partner or ARGV[3],
                      store ~= '' and store or ARGV[4])
local wrong = wrong_type(key, 'zset')
if wrong then
  return wrong
end

local count = redis.call('ZCOUNT', key, '(' .. now, '+inf')
local reply = {serial, '', count}

local score, id = string.match(ARGV[6], '^(%d+):(%x+)$')
local rank = redis.call('ZCOUNT', key, '-inf', now)
if score then
  rank = math.max(rank, rank_behind(key, score, id))
end

local page = redis.call('ZRANGE', key, rank, rank + ARGV[7] - 1, 'WITHSCORES')
for i = 1, #page, 2 do
  local record = redis.pcall('HMGET', token_key(page[i]), 'partner', 'serial')
  if record['err'] then
    return redis.error_reply('WRONGTYPE ' .. token_key(page[i])
                             .. ' is not a hash')
  end
  if record[1] and (tonumber(record[2] or nil) or 0) <= tonumber(serial) then
    reply[#reply + 1] = page[i]
  end
end

if #page == 2 * ARGV[7] then
  reply[2] = page[#page] .. ':' .. page[#page - 1]
end
return reply
