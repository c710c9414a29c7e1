-- Forgets revocations whose day is before yesterday and token records that
-- nobody needs any more, a slice at a time.
--
-- A clock that is ahead must not make us forget what only Redis has: that of
-- Redis and that of the edge have to agree that it is over.
--
-- ARGV   1 revocations and records at most, of each  2 how long records are
--        kept, seconds after expiry  3 what time it is for the edge, Unix
-- reply  1 there are more, 0 done

if set_id() == '' then
  return 0
end

local now = math.min(now, tonumber(ARGV[3]))
local yesterday = math.floor(now / DAY_SEC) - 1

local wrong = wrong_type(TOKENS, 'zset')
if wrong then
  return wrong
end

-- later than yesterday: of a clock that was ahead, and days end again
if tonumber(redis.call('HGET', META, 'first_day') or nil) ~= yesterday then
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
  local whose = redis.call('HMGET', revocation_key(id), 'partner', 'store')
  for _, key in ipairs(when_keys(whose[1] or '', whose[2] or '')) do
    redis.pcall('ZREM', key, id)
  end
  if redis.call('HGET', token_key(id), 'partner') then
    -- the token may yet be registered with a later expiry
    redis.call('HSET', token_key(id), 'was_revoked', '1')
  end
  redis.call('UNLINK', revocation_key(id))
  redis.call('ZREM', WHEN, id)
  redis.call('ZREM', REVOKED, id)
end

-- a token that is over but whose revocation is not must keep its owner
local function keep(record, id, score)
  for _, key in ipairs(index_keys(record.partner, record.store)) do
    redis.call('ZADD', key, 'XX', score, id)
  end
end

local function forget(record, id)
  for _, key in ipairs(index_keys(record.partner, record.store)) do
    redis.call('ZREM', key, id)
  end
  redis.call('UNLINK', token_key(id))

  -- an original that was named by this one, and never registered
  local original = record.renews ~= '' and record_read(record.renews)
  if original and original.partner == '' and original.renewed_by == id then
    redis.call('UNLINK', token_key(record.renews))
  end
end

local oldest, first = now - tonumber(ARGV[2]), first_day()
local old = redis.call('ZRANGEBYSCORE', TOKENS, '-inf', oldest, 'LIMIT', 0,
                       limit)
for _, id in ipairs(old) do
  local record = record_read(id)
  local revoked = tonumber(redis.call('ZSCORE', REVOKED, id) or nil)
  if not record or record.partner == '' then
    redis.call('ZREM', TOKENS, id)
  elseif revoked and revoked > oldest and day_of(revoked) >= first then
    keep(record, id, revoked)
  else
    forget(record, id)
  end
end

return (#over == limit or #old == limit) and 1 or 0
