-- Append entries to a queue. Returns how many of the oldest entries were dropped.
-- include rest
local queue = KEYS[1]
local entries_max, keep_seconds, entries = tonumber(ARGV[1]), ARGV[2], rest(ARGV, 3)

local size = redis.call('RPUSH', queue, unpack(entries))
redis.call('EXPIRE', queue, keep_seconds)
local excess = math.max(0, size - entries_max)
if excess > 0 then redis.call('LTRIM', queue, excess, -1) end
return excess
