-- Enter a node for topics without counted viewers: one sorted set of leases for each topic.
local leases_of_topics = KEYS
local node, lease_ms = ARGV[1], tonumber(ARGV[2])
-- include now

for _, leases in ipairs(leases_of_topics) do
  redis.call('ZADD', leases, now + lease_ms, node)
  redis.call('ZREMRANGEBYSCORE', leases, '-inf', now)
  redis.call('PEXPIRE', leases, lease_ms)
end
