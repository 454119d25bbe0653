-- Returns, for each node that holds the topic, the ids of its viewers.
local leases = KEYS[1]
local prefix, name = ARGV[1], ARGV[2]
-- include now
-- include topic

open(name)
local holding = held()
if #holding == 0 then return {} end
return redis.call('HMGET', ids, unpack(holding))
