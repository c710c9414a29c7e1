-- What an edge compares itself with, each second.  Writes nothing.
--
-- ARGV   1 "1": with the policy
-- reply  role, replication id, set id ("": unborn), last log id, total digest,
--        revocations that are kept, first day kept, yesterday, edge whose turn
--        it is to merge ("": none), now in ms, maxmemory-policy ("": not asked
--        for)

return heartbeat(ARGV[1] == '1')
