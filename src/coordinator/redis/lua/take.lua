-- ARGV[3]: who takes, [4]: at most how many, [5]: idle for how many milliseconds is free, [6]: '1' to forget consumers
-- (runs of nodes) that are long gone.
-- Returns when the near future begins (microseconds from now, -1: not at all), then, in threes: id,
-- destination, generation.
local me, most, idle = ARGV[3], tonumber(ARGV[4]), ARGV[5]
promote()

local function read()
  return redis.pcall('XREADGROUP', 'GROUP', GROUP, me, 'COUNT', most, 'STREAMS', KEYS[1], '>')
end

local first = redis.call('ZRANGE', KEYS[4], 0, 0, 'WITHSCORES')
local taken = { first[2] and integer(math.max(tonumber(first[2]) - now, 0)) or '-1' }
local function hand_over(entries)
  for _, entry in ipairs(entries) do
    local destination = entry[2][2]
    taken[#taken + 1] = entry[1]
    taken[#taken + 1] = destination
    taken[#taken + 1] = redis.call('HGET', KEYS[2], destination) or '0'
    most = most - 1
  end
end

if redis.call('EXISTS', KEYS[1]) == 0 then
  return taken
end
-- A lost group is made anew, from the beginning: entries that somebody holds are given out once more, and
-- whoever holds them learns it.
if redis.pcall('XPENDING', KEYS[1], GROUP).err then
  redis.call('XGROUP', 'CREATE', KEYS[1], GROUP, '0')
end
if ARGV[6] == '1' then
  for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], GROUP)) do
    if consumer[4] == 0 and consumer[6] > 3600000 then
      redis.call('XGROUP', 'DELCONSUMER', KEYS[1], GROUP, consumer[2])
    end
  end
end
local cursor = '0-0'
repeat
  local claimed = redis.call('XAUTOCLAIM', KEYS[1], GROUP, me, idle, cursor, 'COUNT', most)
  cursor = claimed[1]
  hand_over(claimed[2])
until cursor == '0-0' or most <= 0
if most > 0 then
  local new = read()
  if new and not new.err then
    hand_over(new[1][2])
  end
end
return taken
