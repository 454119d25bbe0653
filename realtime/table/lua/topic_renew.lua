-- Enter a node for a topic, or take what is new about its viewers of it. Renews the node's lease, too.
-- `viewers`: how many the node has. The table has the keys of `sampled` of them: those in the sample of `level`.
-- `is_whole`: forget all keys that the node sent before. `is_all`: no more changes wait at the node.
-- `ids_now`: ids of viewers, '-' if unchanged; `is_named`: the table should have some. `peak`, `ratio`: as the node
-- knows them. `changed`: keys of the viewers who `joined` (a number), then of those who left.
-- Returns count, peak, wanted level, ratio, viewers in other regions, 1 if the node has to send everything again,
-- 1 if no keys of a dead node are left.
-- include rest
local leases = KEYS[1]
local prefix, name, node, lease_ms = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local viewers, level, sampled = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local is_whole, is_all, is_named = ARGV[8] == '1', ARGV[9] == '1', ARGV[10] == '1'
local ids_now, peak, ratio = ARGV[11], tonumber(ARGV[12]), tonumber(ARGV[13])
local sample_few, sample_max, swept_max = tonumber(ARGV[14]), tonumber(ARGV[15]), tonumber(ARGV[16])
local joined, changed = tonumber(ARGV[17]), rest(ARGV, 18)
-- include now
-- include topic
-- include remote
-- include news
-- include counts

open(name)
local members = members_of(node)
redis.call('ZADD', leases, now + lease_ms, node)
redis.call('SADD', topics_of(node), topic)
if redis.call('ZADD', nodes, 1, node) == 1 then
  redis.call('DEL', members)  -- the references are gone as well, or the check below finds out
  redis.call('PERSIST', shares)
end
local is_clean = sweep(swept_max)
if is_whole then while not empty(node, 1000) do end end
for i = 1, joined do
  if redis.call('SADD', members, changed[i]) == 1 then add(changed[i]) end
end
for i = joined + 1, #changed do
  if redis.call('SREM', members, changed[i]) == 1 then forget(changed[i]) end
end
if ids_now == '' then redis.call('HDEL', ids, node)
elseif ids_now ~= '-' then redis.call('HSET', ids, node, ids_now) end
local is_lost = is_all and redis.call('SCARD', members) ~= sampled
is_lost = is_lost or (is_named and redis.call('HEXISTS', ids, node) == 0)
local has_all = (is_all and not is_lost) and 1 or 0
redis.call('HSET', shares, node, viewers .. ' ' .. level .. ' ' .. has_all)
local answer = sum({
  node = node, is_clean = is_clean, peak = peak, ratio = ratio, level = level, keep_ms = lease_ms,
  sample_max = sample_max, sample_few = sample_few, settle_ms = lease_ms / 3,
})
answer[6], answer[7] = is_lost and 1 or 0, is_clean and 1 or 0
return answer
