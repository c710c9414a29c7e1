-- Revokes tokens: all of them or none.
--
-- Writes the log, the days, then `revoked`: if it is stopped half-way it can
-- be repeated, and Redis knows nothing that no edge hears of.
--
-- ARGV   1 by  2 why  3 "1": somebody waits for all edges  4 log length
--        5 max_lifetime, seconds  6 "1": dry run, change nothing
--        7 "1": WAIT follows, so write something even if nothing is new
--        8.. id, expiry, id, expiry ...; expiry 0: not known
-- reply  last log id, replication id, then for each id: already (1, 0), expiry
-- error  INVALID: an expiry that is over, nothing was changed

local max_lifetime = tonumber(ARGV[5])
local reply, changes, words = {log_last(), (replication_id())}, {}, {}

for i = 8, #ARGV, 2 do
  local id, expiry = ARGV[i], tonumber(ARGV[i + 1])
  local was = tonumber(redis.call('ZSCORE', REVOKED, id) or nil)
  local slack = 0

  -- not known: the longest life there is; a repetition changes nothing that
  -- day, but a shorter expiry from before must not let the token live again
  if expiry == 0 then
    expiry = now + max_lifetime
    slack = DAY_SEC
  end

  if expiry <= now then
    return redis.error_reply('INVALID the expiry of ' .. id .. ' is over')
  end

  local new = not was or expiry > was + slack
  if new then
    changes[#changes + 1] = {id, expiry, was}
    words[#words + 1] = id .. ':' .. expiry
  end
  reply[#reply + 1] = was and 1 or 0
  reply[#reply + 1] = new and expiry or was
end

if ARGV[6] == '1' then
  return reply
end

if #changes == 0 then
  -- WAIT counts the replicas that have what this connection wrote last
  if ARGV[7] == '1' then
    redis.call('HSET', META, 'waited', now_ms)
  end
  return reply
end

local entry = {'ids', table.concat(words, ' '), 'by', ARGV[1]}
if ARGV[2] ~= '' then
  entry[#entry + 1] = 'why'
  entry[#entry + 1] = ARGV[2]
end
if ARGV[3] == '1' then
  entry[#entry + 1] = 'ack'
  entry[#entry + 1] = '1'
end
reply[1] = log_add(ARGV[4], unpack(entry))

for _, c in ipairs(changes) do
  digest_put(c[1], c[3], c[2])
end
digests_write()

for _, c in ipairs(changes) do
  redis.call('ZADD', REVOKED, c[2], c[1])
  if redis.call('ZADD', WHEN, 'NX', now_ms, c[1]) == 1 then
    redis.call('HSET', revocation_key(c[1]), 'by', ARGV[1], 'why', ARGV[2],
               'at', now_ms)
  end
end

return reply
