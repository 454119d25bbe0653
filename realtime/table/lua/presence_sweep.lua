-- Take out up to `most` viewers with entries that have ended. Returns now, and each viewer with the end of their entry.
local online, since = KEYS[1], KEYS[2]
local most = ARGV[1]
-- include now

local gone = redis.call('ZRANGEBYSCORE', online, '-inf', now, 'WITHSCORES', 'LIMIT', 0, most)
for i = 1, #gone, 2 do
  redis.call('ZREM', online, gone[i])
  redis.call('HDEL', since, gone[i])
end
return {now, gone}
