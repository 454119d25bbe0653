-- Returns, for each node that holds a lease of the topic, the ids of its viewers.
local leases, names = KEYS[1], KEYS[2]
-- include now

local nodes = redis.call('ZRANGEBYSCORE', leases, '(' .. now, '+inf')
if #nodes == 0 then return {} end
return redis.call('HMGET', names, unpack(nodes))
