-- Adds up what all edges have counted in a minute.
--
-- Each one tells the whole of a minute, as often as it likes: what it has told
-- before is taken off the total.
--
-- ARGV   1 who counts  2.. minute, its counts with blanks between, minute ...
-- reply  minutes that were told

local KEPT = 62                          -- minutes

local function add(sums, text, sign)
  local i = 0
  for n in string.gmatch(text or '', '%d+') do
    i = i + 1
    sums[i] = math.max((sums[i] or 0) + sign * n, 0)
  end
end

for i = 2, #ARGV, 2 do
  local wrong = wrong_type(minute_key(ARGV[i]), 'hash')
  if wrong then
    return wrong
  end
end

for i = 2, #ARGV, 2 do
  local key, sums = minute_key(ARGV[i]), {}

  add(sums, redis.call('HGET', key, 'total'), 1)
  add(sums, redis.call('HGET', key, ARGV[1]), -1)
  add(sums, ARGV[i + 1], 1)

  for n, sum in ipairs(sums) do
    sums[n] = string.format('%.0f', sum)
  end
  redis.call('HSET', key, ARGV[1], ARGV[i + 1], 'total',
             table.concat(sums, ' '))
  redis.call('EXPIREAT', key, (ARGV[i] + KEPT) * 60)
end

return (#ARGV - 1) / 2
