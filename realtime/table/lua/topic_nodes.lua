-- Returns, for each topic, the nodes that hold it. One script for all: a call for each costs both sides ten times as
-- much.
-- include rest
local leases = KEYS[1]
local prefix, names = ARGV[1], rest(ARGV, 2)
-- include now
-- include topic

local is_alive = {}
for _, node in ipairs(redis.call('ZRANGEBYSCORE', leases, '(' .. now, '+inf')) do is_alive[node] = true end
local nodes_of_topics = {}
for i, name in ipairs(names) do
  open(name)
  local found = {}
  for _, node in ipairs(redis.call('ZRANGEBYSCORE', nodes, 1, 1)) do
    if is_alive[node] then found[#found + 1] = node end
  end
  -- Nodes of the release before, which have a lease for each topic. To be left out in the release after this one.
  for _, node in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'leases:{' .. name .. '}', '(' .. now, '+inf')) do
    found[#found + 1] = node
  end
  nodes_of_topics[i] = found
end
return nodes_of_topics
