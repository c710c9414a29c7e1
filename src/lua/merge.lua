-- An edge gives Redis what it lacks: the union, in batches, one edge at a time.
--
-- ARGV   1 edge  2 how long it may hold the turn, ms  3 "" more batches come,
--        "end" the last one, "end changed" the last one and some batch of it
--        changed something  4 log length  5.. id, expiry, id, expiry ...
-- reply  changed, or -1: it is another edge's turn

local edge, last = ARGV[1], string.sub(ARGV[3], 1, 3) == 'end'
local holder = merging()

if holder and holder ~= edge then
  return -1
end

local first, changes = first_day(), {}
local seen = {}

for i = 5, #ARGV, 2 do
  local id, expiry = ARGV[i], tonumber(ARGV[i + 1])
  local was = revoked_until(id)
  if not seen[id] and day_of(expiry) >= first
     and (not was or day_of(was) < day_of(expiry))
  then
    seen[id] = true
    digest_put(id, was, expiry)
    changes[#changes + 1] = expiry
    changes[#changes + 1] = id
  end
end

if last then
  if #changes > 0 or ARGV[3] == 'end changed' then
    log_add(ARGV[4], 'merge', edge)
  end
end

digests_write()
for i = 1, #changes, 2 do
  redis.call('ZADD', REVOKED, changes[i], changes[i + 1])
end

if last then
  redis.call('HDEL', META, 'merging', 'merging_until')
else
  redis.call('HSET', META, 'merging', edge,
             'merging_until', tonumber(now_ms) + tonumber(ARGV[2]))
end

return #changes / 2
