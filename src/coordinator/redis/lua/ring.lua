-- ARGV from 3 on, in threes: destination, 'now' | 'more' | 'in', and a number.
for i = 3, #ARGV, 3 do
  local destination, bell, number = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
  if bell == 'now' then
    ring(destination)
  elseif bell == 'more' then
    ring_more(destination, number)
  else
    ring_in(destination, number)
  end
end
wake()
return 0
