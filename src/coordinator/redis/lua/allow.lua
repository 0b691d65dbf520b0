-- KEYS: 1 when the bucket will have been full. ARGV: most, per so many microseconds, wanted. Returns how many are
-- granted and, if none, in how many microseconds one is.
local window, wanted = tonumber(ARGV[2]), tonumber(ARGV[3])
local cost = math.max(math.floor(window / math.max(tonumber(ARGV[1]), 1)), 1)
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
local granted = math.min(math.floor((now + window - full_at) / cost), wanted)
if granted <= 0 then
  return { 0, integer(full_at + cost - window - now) }
end
full_at = full_at + granted * cost
redis.call('SET', KEYS[1], integer(full_at), 'PX', integer(math.ceil((full_at - now) / 1000) + 1))
return { granted, '0' }
