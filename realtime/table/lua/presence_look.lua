-- Returns now, when the table was made, and since when each viewer is online ('': the viewer is not).
local since, whole = KEYS[1], KEYS[2]
local viewers = ARGV
-- include now

local found = {}
for i, viewer in ipairs(viewers) do found[i] = redis.call('HGET', since, viewer) or '' end
return {now, redis.call('GET', whole) or now, found}
