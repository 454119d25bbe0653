-- Take a viewer out, and ignore their heartbeats for `hide_ms`. Returns now, and 1 if they were online.
local online, since, hidden = KEYS[1], KEYS[2], KEYS[3]
local viewer, hide_ms = ARGV[1], tonumber(ARGV[2])
-- include now

redis.call('ZREMRANGEBYSCORE', hidden, '-inf', now)
redis.call('ZADD', hidden, now + hide_ms, viewer)
redis.call('HDEL', since, viewer)
return {now, redis.call('ZREM', online, viewer)}
