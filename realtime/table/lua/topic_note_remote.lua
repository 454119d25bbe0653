-- Note how many viewers a topic has in another region, for as long as the answer is good.
local leases = KEYS[1]
local prefix, name, region = ARGV[1], ARGV[2], ARGV[3]
local count, peak, good_ms = ARGV[4], ARGV[5], tonumber(ARGV[6])
-- include now
-- include topic
-- include news

open(name)
local numbers = count .. ' ' .. peak .. ' '
local known = redis.call('HGET', remote, region)
redis.call('HSET', remote, region, numbers .. (now + good_ms))
redis.call('PEXPIRE', remote, good_ms)
if (not known or string.sub(known, 1, #numbers) ~= numbers) and #held() > 0 then tell() end
