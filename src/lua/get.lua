-- One revocation.  Writes nothing.
--
-- ARGV   1 id
-- reply  expiry, at ("": not known), by, why; empty: not revoked

local expiry = redis.call('ZSCORE', REVOKED, ARGV[1])
if not expiry then
  return {}
end

local known = redis.call('HMGET', revocation_key(ARGV[1]), 'at', 'by', 'why')
return {expiry, known[1] or '', known[2] or '', known[3] or ''}
