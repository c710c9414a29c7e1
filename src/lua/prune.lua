-- Forgets revocations whose day is before yesterday, a slice at a time.
--
-- ARGV   1 revocations at most
-- reply  1 there are more, 0 done

if redis.call('HEXISTS', META, 'set_id') == 0 then
  return 0
end

if yesterday > first_day() then
  local all = redis.call('HGETALL', DAYS)
  for i = 1, #all, 2 do
    local day = tonumber(all[i])
    if day and day < yesterday then
      local d = digest_of(all[i])
      digest_join(digest_of('total'), d, -1)
      digests[all[i]] = digest_parse(nil)
    end
  end
  digests_write()
  redis.call('HSET', META, 'first_day', yesterday)
end

local limit = tonumber(ARGV[1])
local over = redis.call('ZRANGEBYSCORE', REVOKED, '-inf',
                        '(' .. first_day() * DAY_SEC, 'LIMIT', 0, limit)
for _, id in ipairs(over) do
  redis.call('UNLINK', revocation_key(id))
  redis.call('ZREM', WHEN, id)
  redis.call('ZREM', REVOKED, id)
end

return #over == limit and 1 or 0
