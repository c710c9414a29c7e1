-- One token on record.  Writes nothing.
--
-- ARGV   1 id  2, 3 the partner and store that it must have ("": any)
-- reply  as item_add() says; empty: there is none

local record = record_of(ARGV[1])
local reply = {}

if record and owned(record, ARGV[2], ARGV[3]) then
  item_add(reply, ARGV[1], record, state_of(ARGV[1], record))
end

return reply
