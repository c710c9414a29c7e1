-- Keeps the last report of an edge.
--
-- ARGV   1 edge  2 JSON object of the report without its opening brace
--        3 "1": the first of a follower, which takes the place of reports of
--        the same replica under the names of other nodes
-- reply  1

redis.call('HSET', EDGES, ARGV[1], '{"time":' .. now_ms .. ',' .. ARGV[2])

local replica = ARGV[3] == '1' and string.match(ARGV[1], ':%x+$')

if replica then
  local all = redis.call('HGETALL', EDGES)

  for i = 1, #all, 2 do
    if all[i] ~= ARGV[1] and string.sub(all[i], -#replica) == replica then
      redis.call('HDEL', EDGES, all[i])
    end
  end
end

return 1
