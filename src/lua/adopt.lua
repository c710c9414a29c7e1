-- Gives an unborn Redis a set id; keeps the one it has.
--
-- ARGV   1 set id
-- reply  the set id in force

redis.call('HSETNX', META, 'set_id', ARGV[1])
redis.call('HSETNX', META, 'format', '1')
redis.call('HSETNX', META, 'first_day', yesterday)
return redis.call('HGET', META, 'set_id')
