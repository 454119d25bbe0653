-- Returns, for each key of a viewer, on how many nodes this viewer watches the topic; nil: on none.
-- A dead node leaves with the next renewal of any other node.
local leases, references = KEYS[1], KEYS[2]
local viewers = ARGV
-- include now

if redis.call('ZCOUNT', leases, '(' .. now, '+inf') == 0 then
  local nobody = {}
  for i = 1, #viewers do nobody[i] = false end
  return nobody
end
return redis.call('HMGET', references, unpack(viewers))
