-- Gives `open`, which sets the keys of a topic, and `held`. Needs `prefix`, `leases` and `now`.
--   leases      sorted set, one for all topics: node -> until when its lease holds
--   nodes       sorted set: node -> 1; 0: it has left, and some of its keys are still to be taken out
--   shares      hash: node -> "<viewers> <level> <1: the table has all of its keys>"; the sum is in fields with `#`
--   references  hash: key of a viewer -> how many nodes have this viewer; `#` -> the sum of these numbers
--   ids         hash: node -> ids of its viewers
--   remote      hash: region -> "<viewers> <peak> <until>"
-- A node's entry is good as long as the lease of the node. So nothing has to be renewed for each topic.
local topic, nodes, shares, references, ids, remote

local function open(name)
  topic = name
  local braced = '{' .. name .. '}'  -- so all keys of a topic would be on one node of a Redis Cluster
  nodes, shares, references = prefix .. 'nodes:' .. braced, prefix .. 'shares:' .. braced, prefix .. 'viewers:' .. braced
  ids, remote = prefix .. 'ids:' .. braced, prefix .. 'remote:' .. braced
end

-- Returns the nodes that hold the topic.
local function held()
  local entered, found = redis.call('ZRANGEBYSCORE', nodes, 1, 1), {}
  if #entered == 0 then return found end
  for i, till in ipairs(redis.call('ZMSCORE', leases, unpack(entered))) do
    if till and tonumber(till) > now then found[#found + 1] = entered[i] end
  end
  return found
end
