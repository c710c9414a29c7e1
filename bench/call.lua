-- For wrk: a different token in each call, in the order of the list.
--
-- wrk ... -s call.lua URL -- LIST COUNTER PATH ...
-- prints one line: calls, refused (401), failed, seconds, p50 us, p99 us
-- COUNTER is a file: the first 8 bytes count its calls, the next 8 say which of
-- the paths is to be called, and may change

local ffi = require 'ffi'
ffi.cdef [[
  int open(const char *name, int flags);
  void *mmap(void *addr, size_t len, int prot, int flags, int fd, long offset);
]]

local calls, tokens, next_token, counter = {}, 0, 0     -- calls: path, token

function init(args)
  local file = ffi.C.open(args[2], 2)                   -- O_RDWR
  counter = ffi.cast('uint64_t *',                      -- shared, read, write
                     ffi.C.mmap(nil, 16, 3, 1, file, 0))

  for i = 3, #args do
    local path = {}
    local head = wrk.format('GET', args[i], { Authorization = 'Bearer %' })
    local before, behind = head:match('(.*)%%(.*)')

    for token in io.lines(args[1]) do
      path[#path + 1] = before .. token .. behind
    end

    tokens = #path
    calls[i - 3] = path
  end
end

function request()
  counter[0] = counter[0] + 1
  next_token = next_token % tokens + 1
  return calls[tonumber(counter[1])][next_token]
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format('bench %d %d %d %.6f %d %d', summary.requests,
        errors.status,
        errors.connect + errors.read + errors.write + errors.timeout,
        summary.duration / 1e6, latency:percentile(50),
        latency:percentile(99)))
end
