-- Take a node out of a topic, up to `swept_max` of its keys. The renewals of other nodes take the rest.
local leases, shares, references, names = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local node, swept_max = ARGV[1], tonumber(ARGV[2])
-- include now
-- include remote
-- include counts

redis.call('ZADD', leases, 'XX', 0, node)
if redis.call('EXISTS', shares) == 1 then
  sum({
    is_clean = sweep(swept_max), peak = 0, ratio = 1, level = 0,
    sample_max = math.huge, sample_few = 0, settle_ms = 0,
  })
else
  redis.call('ZREM', leases, node)
end
