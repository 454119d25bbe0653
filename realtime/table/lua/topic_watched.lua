-- Returns how many viewers a topic has, in all regions, and its peak.
local leases, shares = KEYS[1], KEYS[2]
-- include now
-- include remote

local peak, count = unpack(redis.call('HMGET', shares, '#peak', '#count'))
if redis.call('ZCOUNT', leases, '(' .. now, '+inf') == 0 then count = 0 end
local remote_count, remote_peak = remote(redis.call('HGETALL', shares))
return {tonumber(count or 0) + remote_count, math.max(tonumber(peak or 0), remote_peak)}
