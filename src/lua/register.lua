-- Puts tokens on record: all of them or none.
--
-- A token never changes its owner; its expiry only grows, and that of its
-- revocation with it.  What is given replaces what is on record, but for the
-- original of a renewal.  An original may be registered after its renewal; if
-- it is somebody else's then, the renewal stays on record and is not named.
--
-- ARGV   1 by  2 log length  3 how long records are kept, seconds after expiry
--        4.. "ID PARTNER STORE ISSUED EXPIRES RENEWS APIS", one blank between,
--        nothing where nothing is known; "," for APIS: there are none
-- reply  new, changed, the same as on record, expired for longer than records
--        are kept (and left out)
-- error  CONFLICT n owner: number n has another owner on record;
--        CONFLICT n renews: it renews another token;
--        CONFLICT n original: that is not of the same partner and store;
--        INVALID n.  Nothing was changed.

local by, length, oldest = ARGV[1], ARGV[2], now - tonumber(ARGV[3])
local new, changed, same, left = 0, 0, 0, 0
local records = {}               -- id -> record as it is to be
local indexes = {}               -- key -> scores and ids to add
local links, raised = {}, {}     -- original -> renewal; changes of `revoked`

local function record(id)
  local wrong
  if not records[id] then
    records[id], wrong = record_read(id)
  end
  return records[id], wrong
end

local function same_owner(a, b)
  return a.partner == b.partner and a.store == b.store
end

-- of several renewals the one that expires last is named
local function names(original, id, expiry)
  local other = original.renewed_by
  if other == '' or other == id then
    return true
  end
  local theirs = tonumber((record(other) or {}).expires_at) or 0
  return expiry > theirs or (expiry == theirs and id > other)
end

local function index(given, id, score)
  for _, key in ipairs(index_keys(given.partner, given.store)) do
    if not indexes[key] then
      local wrong = wrong_type(key, 'zset')
      if wrong then
        return wrong
      end
      indexes[key] = {}
    end
    table.insert(indexes[key], score)
    table.insert(indexes[key], id)
  end
end

-- takes one record in; returns what is wrong with it
local function take(n, id, given)
  local on, wrong = record(id)
  if wrong then
    return wrong
  end

  if on.partner ~= '' and not same_owner(on, given) then
    return 'CONFLICT ' .. n .. ' owner'
  end

  local expiry = math.max(tonumber(on.expires_at) or 0,
                          tonumber(given.expires_at))
  local revoked = revoked_until(id)
  if math.max(expiry, revoked or 0) <= oldest then
    left = left + 1
    return
  end

  if given.renews ~= '' then
    local original
    original, wrong = record(given.renews)
    if wrong then
      return wrong
    elseif on.renews ~= '' and on.renews ~= given.renews then
      return 'CONFLICT ' .. n .. ' renews'
    end
    local foreign = original.partner ~= '' and not same_owner(original, given)
    if foreign and on.renews == '' then
      return 'CONFLICT ' .. n .. ' original'
    end
    if not foreign and original.renewed_by ~= id
       and names(original, id, expiry)
    then
      original.renewed_by = id
      links[given.renews] = id
    end
  end

  if on.renewed_by ~= '' and on.partner == ''
     and not same_owner(record(on.renewed_by) or {}, given)
  then
    on.renewed_by = ''           -- it was named by a token of somebody else
    links[id] = ''
  end

  local was_new, differs = on.partner == '', false
  given.expires_at = string.format('%d', expiry)
  given.renewed_by = ''
  for _, field in ipairs(RECORD_FIELDS) do
    local value = given[field] ~= ',' and given[field] or ''
    if given[field] ~= '' and value ~= on[field] then
      on[field], differs = value, true
    end
  end

  if was_new then
    new = new + 1
    on.new, on.revoked = true, revoked
  elseif differs then
    changed = changed + 1
  else
    same = same + 1
  end

  -- one that was forgotten with its day comes back with the token
  local was_revoked = revoked or not was_new
                      and redis.call('HGET', token_key(id), 'was_revoked')
  if was_revoked and (revoked or 0) < expiry and day_of(expiry) >= first_day()
  then
    raised[id] = {id, expiry, revoked}
    on.again = not revoked
  end
  wrong = was_revoked and when_wrong(given.partner, given.store)
  if wrong then
    return wrong
  end
  on.write = on.write or differs
  if differs then
    return index(given, id, math.max(expiry, revoked or 0))
  end
end

for i = 4, #ARGV do
  local given, id, wrong = {}, nil, nil
  id, given.partner, given.store, given.issued_at, given.expires_at,
    given.renews, given.apis = string.match(ARGV[i],
      '^(%x+) (%S+) (%S+) (%d*) (%d+) (%x*) (%S*)$')

  wrong = id and take(i - 3, id, given) or not id and 'INVALID ' .. i - 3
  if wrong then
    return type(wrong) == 'table' and wrong or redis.error_reply(wrong)
  end
end

local changes = {}
for _, change in pairs(raised) do
  changes[#changes + 1] = change
end
if #changes > 0 then
  table.sort(changes, function(a, b) return a[1] < b[1] end)
  revoked_put(changes, length, by, 'registered with a later expiry', false)
end

-- a record that has no index entry would never be shown nor forgotten
for key, members in pairs(indexes) do
  redis.call('ZADD', key, unpack(members))
end

-- tells those that were on record at some moment from those that came later
local serial = new > 0 and string.format('%.0f', serial_last() + 1)
if serial then
  redis.call('HSET', META, 'serial', serial)
end

for id, on in pairs(records) do
  if on.write then
    local fields = on.new and {'serial', serial} or {}
    for _, field in ipairs(RECORD_FIELDS) do
      if on[field] ~= '' then
        fields[#fields + 1] = field
        fields[#fields + 1] = on[field]
      end
    end
    redis.call('HSET', token_key(id), unpack(fields))
    if on.apis == '' then
      redis.call('HDEL', token_key(id), 'apis')
    end
  end
  if on.new and on.revoked or on.again then
    revocation_file(id, redis.call('ZSCORE', WHEN, id) or 0, on.partner,
                    on.store)
  end
end

for original, id in pairs(links) do
  if id == '' then
    redis.call('HDEL', token_key(original), 'renewed_by')
  else
    redis.call('HSET', token_key(original), 'renewed_by', id)
  end
end

return {new, changed, same, left}
