-- ARGV[3]: who, then its tokens. Returns those that are not its own any more.
local lost = {}
for i = 4, #ARGV do
  if is_mine(ARGV[i], ARGV[3]) then
    redis.call('XCLAIM', KEYS[1], GROUP, ARGV[3], 0, ARGV[i], 'JUSTID')
  else
    lost[#lost + 1] = ARGV[i]
  end
end
return lost
