-- For wrk: a different token in each call, in the order of the list.
--
-- wrk ... -s call.lua URL -- LIST COUNTER
-- prints one line: calls, refused (401), failed, seconds, p50 us, p99 us
-- and counts its calls in the first 8 bytes of COUNTER, a file

local ffi = require 'ffi'
ffi.cdef [[
  int open(const char *name, int flags);
  void *mmap(void *addr, size_t len, int prot, int flags, int fd, long offset);
]]

local calls, next_call, counter = {}, 0

function init(args)
  local file = ffi.C.open(args[2], 2)                   -- O_RDWR
  counter = ffi.cast('uint64_t *',                      -- shared, read, write
                     ffi.C.mmap(nil, 8, 3, 1, file, 0))

  local before, behind = wrk.format('GET', nil, { Authorization = 'Bearer %' })
                            :match('(.*)%%(.*)')

  for token in io.lines(args[1]) do
    calls[#calls + 1] = before .. token .. behind
  end
end

function request()
  counter[0] = counter[0] + 1
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
