-- Gives an unborn Redis a set id; keeps the one it has.
--
-- ARGV   1 set id
-- reply  the set id in force

if set_id() == '' then
  redis.call('HSET', META, 'set_id', ARGV[1], 'adopted_at', now_ms)
end
redis.call('HSETNX', META, 'format', '1')
redis.call('HSETNX', META, 'first_day', yesterday)
return set_id()
