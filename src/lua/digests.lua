-- The state of Redis at the begin of a merge.  Writes nothing.
--
-- ARGV   none
-- reply  as heartbeat.lua, with the policy, then an array of
--        day, digest as `days` has it, revocations of that day in `revoked`
--        for every day that either of the two knows

local reply = heartbeat(true)
local first = reply[7]

local days, claimed = {}, {}
local pairs_of_days = redis.call('HGETALL', DAYS)
for i = 1, #pairs_of_days, 2 do
  claimed[pairs_of_days[i]] = pairs_of_days[i + 1]
end
claimed['total'] = nil

-- from one day that has members to the next
local from = first * DAY_SEC
while true do
  local member = redis.call('ZRANGEBYSCORE', REVOKED, from, '+inf',
                            'WITHSCORES', 'LIMIT', 0, 1)
  if not member[1] then
    break
  end
  local day = day_of(tonumber(member[2]))
  local to = day == DAY_MAX and '+inf' or '(' .. (day + 1) * DAY_SEC
  days[#days + 1] = day
  days[#days + 1] = claimed[tostring(day)] or NO_DIGEST
  days[#days + 1] = redis.call('ZCOUNT', REVOKED, day * DAY_SEC, to)
  claimed[tostring(day)] = nil
  if day == DAY_MAX then
    break
  end
  from = (day + 1) * DAY_SEC
end

for field, digest in pairs(claimed) do
  local day = tonumber(field)
  if day and day >= first and day <= DAY_MAX then
    days[#days + 1] = day
    days[#days + 1] = digest
    days[#days + 1] = 0
  end
end

reply[#reply + 1] = days
return reply
