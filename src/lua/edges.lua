-- The edges that were heard from within the last hour; forgets the others.
--
-- ARGV   none
-- reply  now in ms, last log id, replication id, 1 if every edge that is alive
--        had time to report since this Redis has a set (else 0), then for
--        each edge: its name, its report with lag_ms: for how long the log
--        has had an entry that the edge has not reported yet

local HOUR_MS = 3600 * 1000
local REPORTS_MS = 3000                  -- a heartbeat and the longest back-off
local now_number = tonumber(now_ms)

local adopted = tonumber(redis.call('HGET', META, 'adopted_at') or nil) or 0
local age = now_number - adopted
local settled = set_id() ~= '' and (age < 0 or age >= REPORTS_MS)

-- by position, most edges are at the same one; 0 also for an edge that is
-- ahead of the log: that is for it to find out
local lags = {}

local function lag_of(report)
  local position = string.match(report, '"position":"(%d+%-%d+)"') or '-'
  if not lags[position] then
    local entry = redis.pcall('XRANGE', LOG, '(' .. position, '+', 'COUNT', 1)[1]
    local at = entry and tonumber(string.match(entry[1], '^%d+'))
    lags[position] = string.format('{"lag_ms":%.0f,',
                                   at and math.max(now_number - at, 0) or 0)
  end
  return lags[position]
end

local reply = {now_ms, log_last(), (replication_id()), settled and '1' or '0'}
local all = redis.call('HGETALL', EDGES)

for i = 1, #all, 2 do
  local edge, report = all[i], all[i + 1]
  local heard = tonumber(string.match(report, '^{"time":(%d+),')) or 0

  -- by a clock that was ahead, of another master: dead edges must not look
  -- alive until this clock is there too
  if heard > now_number then
    report = string.gsub(report, '^{"time":%d+,', '{"time":' .. now_ms .. ',')
    redis.call('HSET', EDGES, edge, report)
    heard = now_number
  end

  if heard >= now_number - HOUR_MS then
    reply[#reply + 1] = edge
    reply[#reply + 1] = lag_of(report) .. string.sub(report, 2)
  else
    redis.call('HDEL', EDGES, edge)
  end
end

return reply
