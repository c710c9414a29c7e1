-- The edges that were heard from within the last hour; forgets the others.
--
-- ARGV   none
-- reply  now in ms, last log id, replication id, then for each edge: its name,
--        its report

local HOUR_MS = 3600 * 1000
local reply = {now_ms, log_last(), (replication_id())}
local all = redis.call('HGETALL', EDGES)

for i = 1, #all, 2 do
  local heard = tonumber(string.match(all[i + 1], '^{"time":(%d+),')) or 0
  if heard >= tonumber(now_ms) - HOUR_MS then
    reply[#reply + 1] = all[i]
    reply[#reply + 1] = all[i + 1]
  else
    redis.call('HDEL', EDGES, all[i])
  end
end

return reply
