-- Keeps the last report of an edge.
--
-- ARGV   1 edge  2 JSON object of the report without its opening brace
-- reply  1

redis.call('HSET', EDGES, ARGV[1], '{"time":' .. now_ms .. ',' .. ARGV[2])
return 1
