-- Puts the digests of days right after their members have been read, unless a
-- day has changed since, and adds the total up anew.
--
-- ARGV   1 day  2 its digest before the members were read  3 their digest,
--        and so on for each day
-- reply  days that were put right

local right = 0

for i = 1, #ARGV, 3 do
  local day, was, digest = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local claimed = digest_parse(redis.call('HGET', DAYS, day) or nil)
  if digest_format(claimed) == was then
    right = right + 1
    if digest_parse(digest)[1] == 0 then
      redis.call('HDEL', DAYS, day)
    else
      redis.call('HSET', DAYS, day, digest)
    end
  end
end

local total, first = digest_parse(nil), first_day()
local all = redis.call('HGETALL', DAYS)
for i = 1, #all, 2 do
  local day = tonumber(all[i])
  if day and day >= first then
    digest_join(total, digest_parse(all[i + 1]), 1)
  end
end
redis.call('HSET', DAYS, 'total', digest_format(total))

return right
