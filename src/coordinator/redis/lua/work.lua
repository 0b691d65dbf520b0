-- Shared by the scripts of Work. The rules are board.rs's.
--
-- KEYS of one shard: 1 the stream (a token is an entry), 2 generations by destination, 3 ids of the tokens by
-- destination, 4 the near future by time. ARGV[1]: the channel that wakes nodes, ARGV[2]: the shard's number.
-- Redis' own clock counts, in microseconds; they are below 2^53, so a number holds them exactly.
local GROUP = 'nodes'
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local woken = false

local function integer(number)
  return string.format('%.0f', number)
end

-- The tokens a destination has. Only those that are in the stream count: were one lost (a key evicted, an
-- operator's DEL), its destination would wait for it for ever.
local function tokens(destination)
  local ids = {}
  local list = redis.call('HGET', KEYS[3], destination)
  for id in string.gmatch(list or '', '%S+') do
    if #redis.call('XRANGE', KEYS[1], id, id) > 0 then
      ids[#ids + 1] = id
    end
  end
  return ids
end

local function set_tokens(destination, ids)
  if #ids > 0 then
    redis.call('HSET', KEYS[3], destination, table.concat(ids, ' '))
  else
    redis.call('HDEL', KEYS[3], destination)
    redis.call('HDEL', KEYS[2], destination)
  end
end

local function add(destination, ids)
  ids[#ids + 1] = redis.call('XADD', KEYS[1], '*', 'd', destination)
  set_tokens(destination, ids)
  woken = true
end

local function ring(destination)
  local generation = tonumber(redis.call('HGET', KEYS[2], destination) or '0') + 1
  redis.call('HSET', KEYS[2], destination, integer(math.max(generation, now)))
  local ids = tokens(destination)
  if #ids == 0 then
    add(destination, ids)
  end
end

local function ring_more(destination, most)
  local ids = tokens(destination)
  if #ids == 0 then
    ring(destination)
  elseif #ids < most then
    add(destination, ids)
  end
end

local function ring_in(destination, wait)
  redis.call('ZADD', KEYS[4], 'LT', integer(now + wait), destination)
end

-- What has become due of the near future.
local function promote()
  local due = redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', integer(now), 'LIMIT', 0, 100)
  for _, destination in ipairs(due) do
    redis.call('ZREM', KEYS[4], destination)
    ring(destination)
  end
end

-- Whether a token is this node's. No group (any more): then nobody has any.
local function is_mine(id, me)
  local pending = redis.pcall('XPENDING', KEYS[1], GROUP, id, id, 1, me)
  return not pending.err and #pending > 0
end

local function wake()
  if woken then
    redis.call('PUBLISH', ARGV[1], ARGV[2])
  end
end

