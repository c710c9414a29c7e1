-- Puts the digests of days right after their members have been read, and adds
-- the total up anew.
--
-- On a day that has changed since, the digest of the edge is right if the edge
-- has come to the end of the log and the day has as many members: it has all
-- that were read, and all that came later.
--
-- ARGV   1 how far the edge has read the log ("": not known)  2 day  3 its
--        digest before the members were read  4 their digest  5 that of the
--        edge, and so on for each day
-- reply  days that were not right before, days that are not right yet

local fixed, wrong = 0, 0
local current = ARGV[1] == log_last() and not merging()

local function members(day)
  local to = tonumber(day) == DAY_MAX and '+inf' or '(' .. (day + 1) * DAY_SEC
  return redis.call('ZCOUNT', REVOKED, day * DAY_SEC, to)
end

for i = 2, #ARGV, 4 do
  local day, was, read, theirs = unpack(ARGV, i, i + 3)
  local claimed = digest_format(digest_parse(redis.call('HGET', DAYS, day)
                                             or nil))
  local digest = claimed == was and read
                 or current and members(day) == digest_parse(theirs)[1]
                    and theirs
  if not digest then
    wrong = wrong + 1
  elseif digest ~= claimed then
    fixed = fixed + 1
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

return {fixed, wrong}
