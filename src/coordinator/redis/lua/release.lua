-- KEYS: 1 permits by when they run out, 2 whether somebody waits. ARGV: permit, the channel that wakes who waits, what
-- to say there.
if redis.call('ZREM', KEYS[1], ARGV[1]) == 1 and redis.call('DEL', KEYS[2]) == 1 then
  redis.call('PUBLISH', ARGV[2], ARGV[3])
end
return 0
