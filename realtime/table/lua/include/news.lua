-- Gives `tell`: the topic has news for the nodes that hold it. Needs `prefix` and `topic`.
--   news        sorted set: topic -> number, the newest has the highest one; `#` -> 0. Nodes read it with their lease.
--   seen        sorted set: node -> the number up to which it has read
local news, seen = prefix .. 'news', prefix .. 'seen'

local function newest()
  local told = redis.call('ZRANGE', news, -1, -1, 'WITHSCORES')[2] or 0
  return math.max(told, redis.call('ZRANGE', seen, -1, -1, 'WITHSCORES')[2] or 0)
end

local function tell() redis.call('ZADD', news, newest() + 1, topic) end
