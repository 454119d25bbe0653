-- Take out what one node has entered whose lease has ended: up to `topics_max` topics and about `keys_max` keys of
-- viewers. Returns 1 if no such node is left.
local leases = KEYS[1]
local prefix, topics_max, keys_max, keep_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
-- include now
-- include topic
-- include remote
-- include news
-- include counts

local node = redis.call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, 1)[1]
if not node then return 1 end
redis.call('ZREM', seen, node)  -- if it comes back, it enters all again
local left = topics_max
while left > 0 and taken < keys_max do
  local name = redis.call('SRANDMEMBER', topics_of(node))
  if not name then break end
  open(name)
  moved, left = 0, left - 1
  local is_clean = sweep(keys_max)
  if redis.call('EXISTS', shares, references) > 0 then
    sum({
      node = '', is_clean = is_clean, peak = 0, ratio = 1, level = 0, keep_ms = keep_ms,
      sample_max = math.huge, sample_few = 0, settle_ms = 0,
    })
  end
  if is_clean then redis.call('SREM', topics_of(node), name) end
end
if redis.call('EXISTS', topics_of(node)) == 0 then redis.call('ZREM', leases, node) end
return redis.call('ZCOUNT', leases, '-inf', now) == 0 and 1 or 0
