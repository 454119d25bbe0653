-- Renew a node's lease. `read`: the number up to which the node has news, as the last answer said that it got.
-- Returns 1 if the table has what the node has entered (0: enter all again), 1 if a lease has ended whose topics are
-- still to be swept, the number up to which the node has news now, and up to `most` topics that have news.
local leases = KEYS[1]
local prefix, node, lease_ms, read, most = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
-- include now
local topic
-- include news

redis.call('ZADD', leases, now + lease_ms, node)
if not redis.call('ZSCORE', news, '#') then  -- Redis was flushed, or has evicted the news: every node enters all again
  redis.call('DEL', seen)
  redis.call('ZADD', news, 0, '#')
end
local answer = {0, redis.call('ZCOUNT', leases, '-inf', now) > 0 and 1 or 0}
local known = redis.call('ZSCORE', seen, node)
if known and tonumber(known) <= read then
  answer[1], answer[3] = 1, read
  local found = redis.call('ZRANGEBYSCORE', news, '(' .. read, '+inf', 'WITHSCORES', 'LIMIT', 0, most)
  for i = 1, #found, 2 do answer[#answer + 1], answer[3] = found[i], tonumber(found[i + 1]) end
else
  -- It will hear all when it enters its topics. If this answer gets lost, the node comes with a lower number.
  read = newest() + 1
  answer[3] = read
end
redis.call('ZADD', seen, read, node)  -- not what it reads now: it may not get the answer
-- Leave out what all nodes have read. The newest one stays, because the next one takes its number from it.
redis.call('ZREMRANGEBYSCORE', news, '(0', '(' .. redis.call('ZRANGE', seen, 0, 0, 'WITHSCORES')[2])
return answer
