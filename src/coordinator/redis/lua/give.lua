-- ARGV[3]: who, [4]: its token, [5]: the destination, [6]: 'done' | 'later' | 'back', [7]: the generation read before
-- the claim that found nothing, or the wait. Returns 'gone', 'lost', or the generation now: a bell rang since.
local me, id, destination, how = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
if not is_mine(id, me) then
  return 'lost'
end
if how == 'done' then
  local generation = redis.call('HGET', KEYS[2], destination) or '0'
  if generation ~= ARGV[7] then
    redis.call('XCLAIM', KEYS[1], GROUP, me, 0, id, 'JUSTID')
    return generation
  end
end
redis.call('XACK', KEYS[1], GROUP, id)
redis.call('XDEL', KEYS[1], id)
set_tokens(destination, tokens(destination))
if how == 'later' then
  ring_in(destination, tonumber(ARGV[7]))
elseif how == 'back' then
  ring(destination)
end
wake()
return 'gone'
