-- KEYS: 1 what was told of a site. Returns version, value, and the time in milliseconds.
local tale = redis.call('HMGET', KEYS[1], 'version', 'value')
return { tale[1] or '0', tale[2] or '0', integer(math.floor(now / 1000)) }
