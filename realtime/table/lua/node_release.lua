-- End a node's lease: all its entries are void at once. Sweeps take them out.
local leases = KEYS[1]
local prefix, node = ARGV[1], ARGV[2]

redis.call('ZADD', leases, 'XX', 0, node)
redis.call('ZREM', prefix .. 'seen', node)
