-- Put a token back into the bucket of throttle_take.
local bucket = KEYS[1]
local ms_per_token = tonumber(ARGV[1])
-- include now

local full_at = tonumber(redis.call('GET', bucket) or 0) - ms_per_token
if full_at > now then
  redis.call('SET', bucket, string.format('%.0f', full_at), 'PX', math.ceil(full_at - now))
else
  redis.call('DEL', bucket)
end
return 0
