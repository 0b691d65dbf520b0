-- KEYS: 1 what was told of a site. ARGV: the version seen, the value, for how many milliseconds to keep it. Returns
-- whether nobody else told anything meanwhile. Versions come from the clock, so that what was forgotten does not come
-- back under its old number.
local version = redis.call('HGET', KEYS[1], 'version') or '0'
if version ~= ARGV[1] then
  return 0
end
local next_version = integer(math.max(tonumber(version) + 1, now))
redis.call('HSET', KEYS[1], 'version', next_version, 'value', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
