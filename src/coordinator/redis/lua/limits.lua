-- Shared by the scripts of Limits. The rules are permits.rs's. Redis' own clock counts.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local function integer(number)
  return string.format('%.0f', number)
end

