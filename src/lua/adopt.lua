-- Gives an unborn Redis a set id; keeps the one it has.  If it is empty, who
-- gives it one and has revocations has the turn to fill it (merge.lua), from
-- this moment on.
--
-- ARGV   1 set id  2 edge that fills it, "": it has nothing to give  3 how long
--        its turn may last, ms
-- reply  the set id in force

if set_id() == '' then
  redis.call('HSET', META, 'set_id', ARGV[1], 'adopted_at', now_ms)
  if ARGV[2] ~= '' and redis.call('EXISTS', REVOKED) == 0 then
    redis.call('HSET', META, 'merging', ARGV[2],
               'merging_until', tonumber(now_ms) + tonumber(ARGV[3]))
  end
end
redis.call('HSETNX', META, 'format', '1')
redis.call('HSETNX', META, 'first_day', yesterday)
return set_id()
