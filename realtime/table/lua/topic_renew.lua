-- Enter a node for topics, or take what is new about its viewers of each. Renews the node's lease, too.
-- `parts`: of each topic, one after the other, its name, then
--   viewers, level, sampled   how many the node has. The table has the keys of `sampled` of them: those in the sample
--                             of `level`
--   is_whole, is_all          forget all keys that the node sent before; no more changes wait at the node
--   is_named, ids_now         the table should have ids of viewers; these ids, '-' if unchanged
--   peak, ratio               as the node knows them
--   joined, left              how many keys follow of viewers who have come, and then of those who have gone
-- Returns of each topic count, peak, wanted level, ratio, viewers in other regions, 1 if the node has to send everything
-- again, 1 if no keys of a dead node are left.
-- include rest
local leases = KEYS[1]
local prefix, node, lease_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])
local sample_few, sample_max, swept_max = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local parts = rest(ARGV, 7)
-- include now
-- include topic
-- include remote
-- include news
-- include counts

local place = 1

local function renew()
  local name, viewers, level, sampled, is_whole, is_all, is_named, ids_now, peak, ratio, joined, left =
    unpack(parts, place, place + 11)
  local first_left = place + 12 + joined
  local next_place = first_left + left
  open(name)
  moved = 0
  local members = members_of(node)
  redis.call('SADD', topics_of(node), topic)
  if redis.call('ZADD', nodes, 1, node) == 1 then
    redis.call('DEL', members)  -- the references are gone as well, or the check below finds out
    redis.call('PERSIST', shares)
  end
  local is_clean = sweep(swept_max)
  if is_whole == '1' then while not empty(node, 1000) do end end
  for i = place + 12, first_left - 1 do
    if redis.call('SADD', members, parts[i]) == 1 then add(parts[i]) end
  end
  for i = first_left, next_place - 1 do
    if redis.call('SREM', members, parts[i]) == 1 then forget(parts[i]) end
  end
  if ids_now == '' then redis.call('HDEL', ids, node)
  elseif ids_now ~= '-' then redis.call('HSET', ids, node, ids_now) end
  local has_more = is_all ~= '1'
  local is_lost = not has_more and redis.call('SCARD', members) ~= tonumber(sampled)
  is_lost = is_lost or (is_named == '1' and redis.call('HEXISTS', ids, node) == 0)
  local has_all = (has_more or is_lost) and 0 or 1
  redis.call('HSET', shares, node, viewers .. ' ' .. level .. ' ' .. has_all)
  local answer = sum({
    node = node, is_clean = is_clean, peak = tonumber(peak), ratio = tonumber(ratio), level = tonumber(level),
    keep_ms = lease_ms, sample_max = sample_max, sample_few = sample_few, settle_ms = lease_ms / 3,
  })
  answer[6], answer[7] = is_lost and 1 or 0, is_clean and 1 or 0
  place = next_place
  return answer
end

redis.call('ZADD', leases, now + lease_ms, node)
local answers = {}
while place <= #parts do answers[#answers + 1] = renew() end
return answers
