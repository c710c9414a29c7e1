-- Adds up how often revoked tokens were still tried, and when last.
--
-- A batch is counted once, however often it comes: the last one of each nginx
-- is remembered for a day.  That is written first, so that a Redis that takes
-- no writes has taken nothing of the batch.
--
-- ARGV   1 who counts  2 number of the batch  3.. id, tries, age of the last
--        in ms, id ...
-- reply  ids that were counted; 0 too if the batch was there before

local DAY_MS = 86400 * 1000
local taken = PREFIX .. 'tries:' .. ARGV[1]

local wrong = wrong_type(taken, 'string')
if wrong then
  return wrong
end

if redis.call('GET', taken) == ARGV[2] then
  return 0
end
redis.call('SET', taken, ARGV[2], 'PX', DAY_MS)

local counted = 0

for i = 3, #ARGV, 3 do
  local key = revocation_key(ARGV[i])
  if redis.call('ZSCORE', REVOKED, ARGV[i])
     and type(redis.pcall('HINCRBY', key, 'tries', ARGV[i + 1])) == 'number'
  then
    local last = tonumber(redis.call('HGET', key, 'last_try') or nil) or 0
    local at = tonumber(now_ms) - tonumber(ARGV[i + 2])
    if at > last then
      redis.call('HSET', key, 'last_try', string.format('%.0f', at))
    end
    counted = counted + 1
  end
end

return counted
