-- KEYS: 1 permits by when they run out. ARGV: most, idle microseconds, then permits. Returns those that were not held
-- any more and now are one too many.
local surplus = {}
for i = 3, #ARGV do
  local known = redis.call('ZSCORE', KEYS[1], ARGV[i])
  redis.call('ZADD', KEYS[1], integer(now + ARGV[2]), ARGV[i])
  if not known then
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', integer(now))
    if redis.call('ZCARD', KEYS[1]) > tonumber(ARGV[1]) then
      surplus[#surplus + 1] = ARGV[i]
    end
  end
end
redis.call('PEXPIRE', KEYS[1], integer(ARGV[2] / 500))
return surplus
