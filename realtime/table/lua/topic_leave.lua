-- Take a node out of a topic, up to `swept_max` of its keys. Returns 1 if none is left; else call it again, or leave
-- the rest to the renewals of other nodes.
local leases = KEYS[1]
local prefix, name, node, swept_max, keep_ms = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
-- include now
-- include topic
-- include remote
-- include news
-- include counts

open(name)
redis.call('ZADD', nodes, 'XX', 0, node)
local is_clean = sweep(swept_max)
if is_clean then redis.call('SREM', topics_of(node), topic) end
if redis.call('EXISTS', shares, references) > 0 then
  sum({
    node = '', is_clean = is_clean, peak = 0, ratio = 1, level = 0, keep_ms = keep_ms,
    sample_max = math.huge, sample_few = 0, settle_ms = 0,
  })
end
return is_clean and 1 or 0
