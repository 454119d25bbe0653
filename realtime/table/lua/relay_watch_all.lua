-- Keep the whole bitmap of what a node watches.
local nodes, bitmap = KEYS[1], KEYS[2]
local node, lease_ms, bits = ARGV[1], tonumber(ARGV[2]), ARGV[3]
-- include now

redis.call('ZADD', nodes, now + lease_ms, node)
redis.call('SET', bitmap, bits, 'PX', lease_ms)
