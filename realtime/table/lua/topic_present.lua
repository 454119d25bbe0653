-- Returns, for each key of a viewer, on how many nodes this viewer watches the topic; nil: on none.
-- A dead node's viewers leave with the sweep.
-- include rest
local leases = KEYS[1]
local prefix, name, viewers = ARGV[1], ARGV[2], rest(ARGV, 3)
-- include now
-- include topic

open(name)
if #held() == 0 then
  local nobody = {}
  for i = 1, #viewers do nobody[i] = false end
  return nobody
end
return redis.call('HMGET', references, unpack(viewers))
