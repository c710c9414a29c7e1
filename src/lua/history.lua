-- What happened in each minute of the last hour.  Writes nothing.
--
-- ARGV   none
-- reply  this minute, Unix time / 60, then for each of the last 60, the oldest
--        first: revocations, and the counts of all edges with blanks between
--        ("": none)

local this = math.floor(now / 60)
local reply = {this}

for minute = this - 59, this do
  local total = redis.pcall('HGET', minute_key(minute), 'total')
  reply[#reply + 1] = redis.call('ZCOUNT', WHEN, minute * 60000,
                                 '(' .. (minute + 1) * 60000)
  reply[#reply + 1] = type(total) == 'string' and total or ''
end

return reply
