-- Take heartbeats of a viewer again.
local hidden = KEYS[1]
local viewer = ARGV[1]

return redis.call('ZREM', hidden, viewer)
