-- What an edge compares itself with, each second.  Writes nothing.
--
-- ARGV   none
-- reply  role, run id, replication id, set id ("": unborn), last log id,
--        total digest, revocations that are kept, first day kept, yesterday,
--        edge whose turn it is to merge ("": none)

return heartbeat()
