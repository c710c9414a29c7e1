-- The trail of acts: entries of the log, newest first.  Writes nothing.
--
-- An entry may hold a thousand ids: how many they are and the first few are
-- told.  A page ends early where that much was read for it.  What was only
-- repeated, for somebody who waited, is no act.
--
-- ARGV   1 items at most  2 cursor: the position behind which it goes on
--        ("": from the newest)  3 only those since, Unix milliseconds ("": all)
-- reply  next cursor ("": that was all), then for each: position, act
--        ("revoke", "merge", "unknown": no edge understands it), by, why,
--        partner and store of the scope ("": any, or it was none), number of
--        ids, the first of them with blanks between, position of the entry
--        before it and before repetitions
-- error  INVALID cursor

local limit, cursor = tonumber(ARGV[1]), ARGV[2]
local since = ARGV[3] ~= '' and ARGV[3] or '-'
local PAGE, READ, FIRST = 20, 512 * 1024, 10

if cursor ~= '' and not string.match(cursor, '^%d+%-%d+$') then
  return redis.error_reply('INVALID cursor')
end

local function ids_of(text)
  local first, count = {}, 0
  for id in string.gmatch(text, '(%x+):%d+') do
    count = count + 1
    if count <= FIRST then
      first[count] = id
    end
  end
  return count, table.concat(first, ' ')
end

local reply, found, read = {''}, 0, 0

while true do
  local page = redis.pcall('XREVRANGE', LOG,
                           cursor == '' and '+' or '(' .. cursor, since,
                           'COUNT', PAGE)
  if page['err'] then
    return redis.error_reply('INVALID cursor')
  end
  for _, entry in ipairs(page) do
    if found == limit or read >= READ then
      reply[1] = cursor
      return reply
    end
    local value = {}
    for i = 1, #entry[2], 2 do
      value[entry[2][i]] = entry[2][i + 1]
    end
    local count, ids = ids_of(value.ids or '')
    local act = 'unknown'
    if value.prev and count > 0 and not value.merge then
      act = 'revoke'
    elseif value.prev and value.merge and not value.ids then
      act = 'merge'
    end
    if not value.again then
      for _, field in ipairs({entry[1], act, value.by or value.merge or '',
                              value.why or '', value.partner or '',
                              value.store or '', tostring(count), ids,
                              value.prev or ''}) do
        reply[#reply + 1] = field
      end
      found = found + 1
    elseif found > 0 then
      reply[#reply] = value.prev or ''
    end
    cursor = entry[1]
    read = read + #(value.ids or '') + 200
  end
  if #page < PAGE then
    return reply
  end
end
