-- Returns how many viewers a topic has, in all regions, and its peak.
local leases = KEYS[1]
local prefix, name = ARGV[1], ARGV[2]
-- include now
-- include topic
-- include remote

open(name)
local peak, count = unpack(redis.call('HMGET', shares, '#peak', '#count'))
if #held() == 0 then count = 0 end
local remote_count, remote_peak = elsewhere()
return {tonumber(count or 0) + remote_count, math.max(tonumber(peak or 0), remote_peak)}
