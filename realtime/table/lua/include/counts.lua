-- Gives `members_of`, `add`, `forget`, `empty`, `sweep` and `sum`: a topic's viewers over all nodes of the region.
-- Needs `now`, `leases`, `prefix`, the open topic, `elsewhere` and `tell`.
-- The keys of one node are a set, its members. The references are the sum of all members: a script that takes a key out
-- of the members of a node, dead or not, takes the reference too.
--   topics_of   set: the topics in which a node may have something
local function members_of(node) return references .. ':' .. node end
local function topics_of(node) return prefix .. 'topics:' .. node end

local moved = 0  -- references that this call adds
local taken = 0  -- keys that this call takes out, of nodes that are gone
local entered = {}  -- the nodes in the topic, after a sweep

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
  local keys = redis.call('SPOP', members_of(node), most)
  for _, key in ipairs(keys) do forget(key) end
  taken = taken + #keys
  return #keys < most or redis.call('EXISTS', members_of(node)) == 0
end

-- Take out the nodes that have left or whose lease has ended, up to `most` keys of each. Returns whether nothing is left
-- of them.
local function sweep(most)
  local is_clean, all = true, redis.call('ZRANGE', nodes, 0, -1, 'WITHSCORES')
  entered = {}
  if #all == 0 then return true end
  local names = {}
  for i = 1, #all, 2 do names[#names + 1] = all[i] end
  for i, till in ipairs(redis.call('ZMSCORE', leases, unpack(names))) do
    local node = names[i]
    local is_held = all[2 * i] == '1' and till and tonumber(till) > now
    if not is_held then
      redis.call('HDEL', shares, node)
      redis.call('HDEL', ids, node)
    end
    if is_held then entered[#entered + 1] = node
    elseif empty(node, most) then
      redis.call('ZREM', nodes, node)
      redis.call('SREM', topics_of(node), topic)
    else
      entered[#entered + 1] = node
      is_clean = false
    end
  end
  return is_clean
end

-- Returns whether the references agree with the members. If they do not, Redis has evicted a key, or something has
-- deleted one: then every node has to send everything again.
local function check()
  local sum_kept, keys = redis.call('HINCRBY', references, '#', moved), 0
  for _, node in ipairs(entered) do keys = keys + redis.call('SCARD', members_of(node)) end
  if sum_kept == keys and keys > 0 then return true end
  redis.call('UNLINK', references)
  if sum_kept == keys then return true end
  for _, node in ipairs(entered) do
    redis.call('DEL', members_of(node))
    local share = redis.call('HGET', shares, node)
    if share then redis.call('HSET', shares, node, string.sub(share, 1, -2) .. '0') end
  end
  tell()
  return false
end

-- Add up the shares, each viewer counted once. Keep the sum, and return a renewal's answer: count, peak, level,
-- ratio, viewers in other regions. If the sum is another one than before, the other nodes get news. Arguments by name:
--   node                     who gets the answer
--   is_clean                 no keys of a dead node are left
--   peak, ratio, level       as the caller knows them, in case the table does not
--   sample_max, sample_few   with more keys than that a higher level is wanted, with fewer a lower one
--   settle_ms                how old a table must be before a lower level is wanted
--   keep_ms                  how long the sum is kept of a topic that no node holds
local function sum(given)
  local is_clean = check() and given.is_clean
  local peak, ratio, level = given.peak, given.ratio, given.level
  local known, viewers_by_all, highest, sampled = {}, 0, 0, 0
  local is_entered, of_nodes, fields = {}, {}, redis.call('HGETALL', shares)
  for _, node in ipairs(entered) do is_entered[node] = true end
  for i = 1, #fields, 2 do
    if string.sub(fields[i], 1, 1) == '#' then known[fields[i]] = tonumber(fields[i + 1])
    elseif is_entered[fields[i]] then of_nodes[fields[i]] = fields[i + 1]
    else redis.call('HDEL', shares, fields[i]) end  -- its entry was evicted; if it lives, it enters again
  end
  if known['#level'] then level = known['#level'] else redis.call('HSET', shares, '#born', now) end
  for node, share in pairs(of_nodes) do
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
  local remote_count, remote_peak = elsewhere()
  peak = math.max(peak, known['#peak'] or 0, remote_peak)
  if is_clean then peak = math.max(peak, count + remote_count) end
  local wanted = level
  while viewers_by_all / 2 ^ wanted > given.sample_max do wanted = wanted + 1 end
  if is_clean and now - (known['#born'] or now) > given.settle_ms then
    while wanted > 0 and viewers_by_all / 2 ^ wanted < given.sample_few do wanted = wanted - 1 end
  end
  local exact = string.format('%.17g', ratio)
  redis.call('HSET', shares, '#peak', peak, '#count', count, '#level', wanted, '#ratio', exact)
  if #entered == 0 then redis.call('PEXPIRE', shares, given.keep_ms)
  elseif #entered > 1 or entered[1] ~= given.node then
    if count ~= known['#count'] or peak ~= known['#peak'] or wanted ~= known['#level'] then tell() end
  end
  return {count + remote_count, peak, wanted, exact, remote_count}
end
