-- One revocation.  Writes nothing.
--
-- ARGV   1 id  2 partner  3 store: whose it must be ("": anybody's)
-- reply  expiry, then as revocation_read() says; empty: not revoked, or
--        somebody else's

local expiry = redis.call('ZSCORE', REVOKED, ARGV[1])
local known = revocation_read(ARGV[1])

if not expiry
   or not owned({partner = known[4], store = known[5]}, ARGV[2], ARGV[3])
then
  return {}
end

return {expiry, unpack(known)}
