-- Returns the places of the topics that are not as the node says. `expected`: name, share, name, ... The share is as
-- topic_renew writes it; '-' for a topic without counted viewers.
-- include rest
local leases = KEYS[1]
local prefix, node, expected = ARGV[1], ARGV[2], rest(ARGV, 3)
-- include now
-- include topic

local missing = {}
for i = 1, #expected, 2 do
  open(expected[i])
  local share = expected[i + 1]
  local is_there = redis.call('ZSCORE', nodes, node) == '1'
  if is_there and share ~= '-' then is_there = redis.call('HGET', shares, node) == share end
  if not is_there then missing[#missing + 1] = (i - 1) / 2 end
end
return missing
