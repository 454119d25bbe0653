-- Take a token. The bucket is kept as the moment when it will be full again. Returns ms to wait; 0: taken.
local bucket = KEYS[1]
local ms_per_token, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
-- include now

local full_at = math.max(now, tonumber(redis.call('GET', bucket) or 0)) + ms_per_token
local wait_ms = full_at - now - ms_per_token * burst
if wait_ms > 0 then return math.ceil(wait_ms) end
redis.call('SET', bucket, string.format('%.0f', full_at), 'PX', math.ceil(full_at - now))
return 0
