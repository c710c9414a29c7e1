-- For wrk: a different token in each call, in the order of the list.
--
-- wrk ... -s call.lua URL -- LIST
-- prints one line: calls, refused (401), failed, seconds, p50 us, p99 us

local calls, next_call = {}, 0
local refused = 0

function init(args)
  local before, behind = wrk.format('GET', nil, { Authorization = 'Bearer %' })
                            :match('(.*)%%(.*)')

  for token in io.lines(args[1]) do
    calls[#calls + 1] = before .. token .. behind
  end
end

function request()
  next_call = next_call % #calls + 1
  return calls[next_call]
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format('bench %d %d %d %.6f %d %d', summary.requests,
        errors.status,
        errors.connect + errors.read + errors.write + errors.timeout,
        summary.duration / 1e6, latency:percentile(50),
        latency:percentile(99)))
end
