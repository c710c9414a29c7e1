-- A page of revocations in the order of expiry.  Writes nothing.
--
-- The next page begins behind the rank of the last member seen: an offset
-- would be counted off from the start each time.
--
-- ARGV   1 first expiry  2 last expiry  3, 4 last member seen and its expiry
--        ("", "": none)  5 members at most
-- reply  id, expiry, id, expiry ...; fewer than asked for: the last page

local last = tonumber(ARGV[2])
local count = tonumber(ARGV[5])
local rank

if ARGV[3] ~= '' then
  local expiry = redis.call('ZSCORE', REVOKED, ARGV[3])
  if expiry and tonumber(expiry) == tonumber(ARGV[4]) then
    rank = redis.call('ZRANK', REVOKED, ARGV[3]) + 1
  end
end

if not rank then
  local from = ARGV[4] ~= '' and ARGV[4] or ARGV[1]
  rank = redis.call('ZCOUNT', REVOKED, '-inf', '(' .. from)
end

local page = redis.call('ZRANGE', REVOKED, rank, rank + count - 1,
                        'WITHSCORES')
while #page > 0 and tonumber(page[#page]) > last do
  page[#page] = nil
  page[#page] = nil
end

return page
