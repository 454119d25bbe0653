-- Renew a node's lease of a topic, and take what is new about its viewers.
-- `viewers`: how many the node has. The table has the keys of `sampled` of them: those in the sample of `level`.
-- `is_whole`: forget all keys that the node sent before. `is_all`: no more changes wait at the node.
-- `names_now`: ids of viewers, '-' if unchanged; `is_named`: the table should have some. `peak`, `ratio`: as the node
-- knows them. `changed`: keys of the viewers who `joined` (a number), then of those who left.
-- Returns count, peak, wanted level, ratio, viewers in other regions, 1 if the node has to send everything again,
-- 1 if no keys of a dead node are left.
-- include rest
local leases, shares, references, names = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local node, lease_ms = ARGV[1], tonumber(ARGV[2])
local viewers, level, sampled = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local is_whole, is_all, is_named = ARGV[6] == '1', ARGV[7] == '1', ARGV[8] == '1'
local names_now, peak, ratio = ARGV[9], tonumber(ARGV[10]), tonumber(ARGV[11])
local sample_few, sample_max, swept_max = tonumber(ARGV[12]), tonumber(ARGV[13]), tonumber(ARGV[14])
local joined, changed = tonumber(ARGV[15]), rest(ARGV, 16)
-- include now
-- include remote
-- include counts

local members = members_of(node)
if redis.call('ZADD', leases, now + lease_ms, node) == 1 then
  redis.call('DEL', members)  -- the lease ended so long ago that the references are gone as well
end
local is_clean = sweep(swept_max)
if is_whole then while not empty(node, 1000) do end end
for i = 1, joined do
  if redis.call('SADD', members, changed[i]) == 1 then add(changed[i]) end
end
for i = joined + 1, #changed do
  if redis.call('SREM', members, changed[i]) == 1 then forget(changed[i]) end
end
if names_now == '' then redis.call('HDEL', names, node)
elseif names_now ~= '-' then redis.call('HSET', names, node, names_now) end
local is_lost = is_all and redis.call('SCARD', members) ~= sampled
is_lost = is_lost or (is_named and redis.call('HEXISTS', names, node) == 0)
local has_all = (is_all and not is_lost) and 1 or 0
redis.call('HSET', shares, node, viewers .. ' ' .. level .. ' ' .. has_all)
local answer = sum({
  is_clean = is_clean, peak = peak, ratio = ratio, level = level,
  sample_max = sample_max, sample_few = sample_few, settle_ms = lease_ms / 3,
})
for _, key in ipairs({leases, shares, references, names}) do redis.call('PEXPIRE', key, lease_ms) end
redis.call('PEXPIRE', members, lease_ms * 4)  -- they must outlive their references
answer[6], answer[7] = is_lost and 1 or 0, is_clean and 1 or 0
return answer
