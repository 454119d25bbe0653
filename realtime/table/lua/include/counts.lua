-- Gives `members_of`, `add`, `forget`, `empty`, `sweep` and `sum`: a topic's viewers over all nodes of the region.
-- Needs `now`, `remote` and the topic's four keys:
--   leases      sorted set: node -> until when it holds viewers of the topic
--   shares      hash: node -> "<viewers> <level> <1: the table has all of its keys>"; the sum is in fields with `#`
--   references  hash: key of a viewer -> how many nodes have this viewer; `#` -> the sum of these numbers
--   names       hash: node -> ids of its viewers
-- The keys of one node are a set, its members. The references are the sum of all members: a script that takes a key out
-- of the members of a node, dead or not, takes the reference too.
local function members_of(node) return references .. ':' .. node end

local moved = 0  -- references that this call adds

local function add(key)
  redis.call('HINCRBY', references, key, 1)
  moved = moved + 1
end

local function forget(key)
  if redis.call('HINCRBY', references, key, -1) <= 0 then redis.call('HDEL', references, key) end
  moved = moved - 1
end

-- Take up to `most` keys from a node. Returns whether none is left.
local function empty(node, most)
  for _, key in ipairs(redis.call('SPOP', members_of(node), most)) do forget(key) end
  return redis.call('EXISTS', members_of(node)) == 0
end

-- Take out the nodes whose lease has ended, up to `most` keys of each. Returns whether nothing is left of them.
local function sweep(most)
  local is_clean = true
  for _, gone in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', now)) do
    redis.call('HDEL', shares, gone)
    redis.call('HDEL', names, gone)
    if empty(gone, most) then redis.call('ZREM', leases, gone) else is_clean = false end
  end
  return is_clean
end

-- Returns whether the references agree with the members. If they do not, Redis has evicted a key, or something has
-- deleted one: then every node has to send everything again.
local function check()
  local sum_kept, keys, nodes = redis.call('HINCRBY', references, '#', moved), 0, redis.call('ZRANGE', leases, 0, -1)
  for _, node in ipairs(nodes) do keys = keys + redis.call('SCARD', members_of(node)) end
  if sum_kept == keys and keys > 0 then return true end
  redis.call('UNLINK', references)
  if sum_kept == keys then return true end
  for _, node in ipairs(nodes) do
    redis.call('DEL', members_of(node))
    local share = redis.call('HGET', shares, node)
    if share then redis.call('HSET', shares, node, string.sub(share, 1, -2) .. '0') end
  end
  return false
end

-- Add up the shares, each viewer counted once. Keep the sum, and return a renewal's answer: count, peak, level,
-- ratio, viewers in other regions. Arguments by name:
--   is_clean                 no keys of a dead node are left
--   peak, ratio, level       as the caller knows them, in case the table does not
--   sample_max, sample_few   with more keys than that a higher level is wanted, with fewer a lower one
--   settle_ms                how old a table must be before a lower level is wanted
local function sum(given)
  local is_clean = check() and given.is_clean
  local peak, ratio, level = given.peak, given.ratio, given.level
  local known, viewers_by_all, highest, sampled = {}, 0, 0, 0
  local nodes, fields = {}, redis.call('HGETALL', shares)
  for i = 1, #fields, 2 do
    if string.sub(fields[i], 1, 1) == '#' then known[fields[i]] = tonumber(fields[i + 1])
    else nodes[fields[i]] = fields[i + 1] end
  end
  if known['#level'] then level = known['#level'] else redis.call('HSET', shares, '#born', now) end
  for node, share in pairs(nodes) do
    local viewers, node_level, has_all = string.match(share, '(%d+) (%d+) (%d)')
    viewers = tonumber(viewers)
    viewers_by_all, highest = viewers_by_all + viewers, math.max(highest, viewers)
    if has_all == '0' or tonumber(node_level) ~= level then is_clean = false end
    sampled = sampled + redis.call('SCARD', members_of(node))
  end
  if is_clean then
    ratio = sampled > 0 and (redis.call('HLEN', references) - 1) / sampled or 1  -- `#` is no viewer
  else
    ratio = known['#ratio'] or ratio
  end
  local count = math.max(math.floor(viewers_by_all * ratio + 0.5), highest)
  local remote_count, remote_peak = remote(fields)
  peak = math.max(peak, known['#peak'] or 0, remote_peak)
  if is_clean then peak = math.max(peak, count + remote_count) end
  local wanted = level
  while viewers_by_all / 2 ^ wanted > given.sample_max do wanted = wanted + 1 end
  if is_clean and now - (known['#born'] or now) > given.settle_ms then
    while wanted > 0 and viewers_by_all / 2 ^ wanted < given.sample_few do wanted = wanted - 1 end
  end
  local exact = string.format('%.17g', ratio)
  redis.call('HSET', shares, '#peak', peak, '#count', count, '#level', wanted, '#ratio', exact)
  return {count + remote_count, peak, wanted, exact, remote_count}
end
