-- Revokes tokens: all of them or none.
--
-- Who owns a token is decided here, on its record.  One that is not on record
-- and one of somebody else are the same: unknown.
--
-- The position returned is a proof: an edge that has come there refuses all of
-- the tokens.  For one that was revoked before, the last id of the log is one,
-- except while an edge gives Redis what it lacks: that is in no entry yet.
-- Then, and for those who wait, the token gets another entry.
--
-- ARGV   1 by  2 why  3 "1": somebody waits for all edges  4 log length
--        5 max_lifetime, seconds  6 "1": dry run, change nothing
--        7 "1": WAIT follows, so write something even if nothing is new
--        8 "1": there are token records  9 partner  10 store: whose tokens may
--        be revoked ("": anybody's, also unknown ones)  11 expiry of tokens
--        that are not on record (0: not known)  12 "1": tell what else is
--        active  13 partner  14 store: of the scope that hits them ("": any),
--        for the log  15.. ids
-- reply  "done", last log id, replication id, then three arrays: for each id
--        already (1, 0), expiry, partner, store ("": not on record), over by
--        its record (1, 0); for each other token that is active id, partner,
--        store, expiry; "more" if there may be more of these
--        "unknown", ids; "registered", ids with an expiry of their own: nothing
--        was changed
-- error  INVALID: an expiry that is over, nothing was changed

local ack, length, max_lifetime = ARGV[3] == '1', ARGV[4], tonumber(ARGV[5])
local on_record, partner, store = ARGV[8] == '1', ARGV[9], ARGV[10]
local given, FIRST = tonumber(ARGV[11]), 15

local ALSO, SCAN = 100, 1000             -- told, looked at, at most

local records, unknown, registered = {}, {'unknown'}, {'registered'}

if given ~= 0 and given <= now then
  return redis.error_reply('INVALID the expiry is over')
end

for i = FIRST, on_record and #ARGV or 0 do
  local record, wrong = record_read(ARGV[i])
  if wrong then
    return wrong
  end
  if not (record.partner ~= '' and owned(record, partner, store))
     and partner .. store ~= ''
  then
    unknown[#unknown + 1] = ARGV[i]
  end
  if record.partner ~= '' then
    records[ARGV[i]] = record
    registered[#registered + 1] = ARGV[i]
  end
end

if #unknown > 1 then
  return unknown
elseif given ~= 0 and #registered > 1 then
  return registered
end

-- when a revocation is over, and by how much it must be later than one from
-- before to replace it
local function expiry_of(record)
  local expiry = record and (tonumber(record.expires_at) or 0) or given
  if expiry == 0 then
    -- the longest life there is; a repetition changes nothing that day, but a
    -- shorter expiry from before must not let the token live again
    return now + max_lifetime, DAY_SEC
  elseif expiry <= now then
    -- dead by its record, but clocks differ
    return now + DAY_SEC, math.huge
  end
  return expiry, 0
end

local repeats = ack or merging()
local items, changes, fresh, asked = {}, {}, {}, {}

for i = FIRST, #ARGV do
  local id = ARGV[i]
  local record = records[id]
  local was = revoked_until(id)
  local expiry, slack = expiry_of(record)
  local new = not was or expiry > was + slack

  if new then
    local wrong = wrong_type(revocation_key(id), 'hash')
    if wrong then
      return wrong
    end
    changes[#changes + 1] = {id, expiry, was}
    fresh[#fresh + 1] = id
  elseif repeats and day_of(was) >= first_day() then
    changes[#changes + 1] = {id, was, was}
  end

  asked[id] = true
  items[#items + 1] = was and 1 or 0
  items[#items + 1] = new and expiry or was
  items[#items + 1] = record and record.partner or ''
  items[#items + 1] = record and record.store or ''
  items[#items + 1] = slack == math.huge and 1 or 0
end

-- what else a partner may call the same store with
local also, more, scanned = {}, '', 0

local function also_active(record)
  local key = index_key(record.partner, record.store)
  local wrong = wrong_type(key, 'zset')
  if wrong then
    return wrong
  end
  local rank = redis.call('ZCOUNT', key, '-inf', now)
  while true do
    local page = redis.call('ZRANGE', key, rank, rank + 99, 'WITHSCORES')
    for n = 1, #page, 2 do
      if scanned == SCAN or #also == ALSO * 4 then
        more = 'more'
        return
      end
      scanned = scanned + 1
      if not asked[page[n]] and not redis.call('ZSCORE', REVOKED, page[n]) then
        for _, word in ipairs({page[n], record.partner, record.store,
                               page[n + 1]})
        do
          also[#also + 1] = word
        end
      end
    end
    if #page < 200 then
      return
    end
    rank = rank + 100
  end
end

local grants = {}

for i = FIRST, #ARGV do
  local record = records[ARGV[i]]
  local whose = record or {partner = partner, store = store}
  local grant = whose.partner .. ' ' .. whose.store
  local wrong = not grants[grant] and
                (when_wrong(whose.partner, whose.store)
                 or record and ARGV[12] == '1' and also_active(record))
  if wrong then
    return wrong
  end
  grants[grant] = true
end

local reply = {'done', log_last(), (replication_id()), items, also, more}

if ARGV[6] == '1' then
  return reply
end

if #changes == 0 then
  -- WAIT counts the replicas that have what this connection wrote last
  if ARGV[7] == '1' then
    redis.call('HSET', META, 'waited', now_ms)
  end
  return reply
end

-- of a scope one reaches no more than one's own
local scope = ARGV[13] .. ARGV[14] ~= ''
              and {partner = ARGV[13] ~= '' and ARGV[13] or partner,
                   store = ARGV[14] ~= '' and ARGV[14] or store}

reply[2] = revoked_put(changes, length, ARGV[1], ARGV[2], ack, scope,
                       #fresh == 0)

for _, id in ipairs(fresh) do
  if redis.call('ZADD', WHEN, 'NX', now_ms, id) == 1 then
    local whose = records[id] or {partner = partner, store = store}
    redis.call('HSET', revocation_key(id), 'by', ARGV[1], 'why', ARGV[2],
               'at', now_ms)
    revocation_file(id, now_ms, whose.partner, whose.store)
  end
end

return reply
