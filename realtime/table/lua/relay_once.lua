-- Note that a nonce is used, for `keep_ms`. Returns 1: it is new, 0: it was used before, -1: there is no room.
local nonces = KEYS[1]
local nonce, keep_ms, nonces_max = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
-- include now

redis.call('ZREMRANGEBYSCORE', nonces, '-inf', now)
if redis.call('ZSCORE', nonces, nonce) then return 0 end
if redis.call('ZCARD', nonces) >= nonces_max then return -1 end
redis.call('ZADD', nonces, now + keep_ms, nonce)
redis.call('PEXPIRE', nonces, keep_ms)
return 1
