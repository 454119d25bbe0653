-- Enter a node for topics without counted viewers. Renews the node's lease, too.
-- include rest
local leases = KEYS[1]
local prefix, node, lease_ms, names = ARGV[1], ARGV[2], tonumber(ARGV[3]), rest(ARGV, 4)
-- include now
-- include topic

redis.call('ZADD', leases, now + lease_ms, node)
redis.call('SADD', prefix .. 'topics:' .. node, unpack(names))
for _, name in ipairs(names) do
  open(name)
  redis.call('ZADD', nodes, 1, node)
end
