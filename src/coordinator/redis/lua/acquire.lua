-- KEYS: 1 permits by when they run out, 2 whether somebody waits. ARGV: permit, most, idle microseconds, and for how
-- many milliseconds a refused one waits. Returns whether it was granted.
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', integer(now))
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then
  redis.call('SET', KEYS[2], '1', 'PX', ARGV[4])
  return 0
end
redis.call('ZADD', KEYS[1], integer(now + ARGV[3]), ARGV[1])
redis.call('PEXPIRE', KEYS[1], integer(ARGV[3] / 500))
return 1
