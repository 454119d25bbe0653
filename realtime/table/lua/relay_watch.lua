-- Set bits in the bitmap of what a node watches. Returns 0 if the table does not have the rest of it.
-- include rest
local nodes, bitmap = KEYS[1], KEYS[2]
local node, lease_ms, bits = ARGV[1], tonumber(ARGV[2]), rest(ARGV, 3)
-- include now

if redis.call('EXISTS', bitmap) == 0 then return 0 end
redis.call('ZADD', nodes, now + lease_ms, node)
redis.call('PEXPIRE', bitmap, lease_ms)
for _, bit in ipairs(bits) do redis.call('SETBIT', bitmap, bit, 1) end
return 1
