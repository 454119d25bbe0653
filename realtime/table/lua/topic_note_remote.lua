-- Note how many viewers a topic has in another region, for as long as the answer is good.
local shares = KEYS[1]
local field, count, peak, good_ms = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
-- include now

redis.call('HSET', shares, field, count .. ' ' .. peak .. ' ' .. (now + good_ms))
if redis.call('PTTL', shares) < good_ms then redis.call('PEXPIRE', shares, good_ms) end
