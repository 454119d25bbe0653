-- Enter heartbeats: each entry holds for `hold_ms`. Returns now, and the viewers who have come online.
-- include rest
local online, since, hidden, whole = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local hold_ms, viewers = tonumber(ARGV[1]), rest(ARGV, 2)
-- include now

redis.call('SET', whole, now, 'NX')
local is_anybody_hidden = redis.call('EXISTS', hidden) == 1
local came = {}
for _, viewer in ipairs(viewers) do
  local hidden_until = is_anybody_hidden and redis.call('ZSCORE', hidden, viewer)
  local is_hidden = hidden_until and tonumber(hidden_until) > now
  if not is_hidden and redis.call('ZADD', online, now + hold_ms, viewer) == 1 then
    redis.call('HSET', since, viewer, now)
    came[#came + 1] = viewer
  end
end
return {now, came}
