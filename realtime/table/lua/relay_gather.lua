-- Gather what all nodes of the region watch. `bitmap_prefix`: the part of a node's bitmap key before the node's name.
-- Returns nil if no node has reported anything; else the digest, the bitmap ('' when its digest is `known_digest`), and
-- up to `counts_max` counts that are at most `counts_ms` old: topic, count, peak, ...
local nodes, union, counts = KEYS[1], KEYS[2], KEYS[3]
local known_digest, bitmap_bytes, bitmap_prefix = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local counts_max, counts_ms = tonumber(ARGV[4]), tonumber(ARGV[5])
-- include now

redis.call('ZREMRANGEBYSCORE', nodes, '-inf', now)
local names = redis.call('ZRANGE', nodes, 0, -1)
if #names == 0 then return nil end
local bitmaps = {}
for i, node in ipairs(names) do bitmaps[i] = bitmap_prefix .. node end
if redis.call('BITOP', 'OR', union, unpack(bitmaps)) ~= bitmap_bytes then return nil end
redis.call('PEXPIRE', union, 1000)
local bitmap = redis.call('GET', union)
local digest = redis.sha1hex(bitmap)
local found, fields = {}, redis.call('HGETALL', counts)
for i = 1, #fields, 2 do
  local count, peak, at = string.match(fields[i + 1], '(%d+) (%d+) (%d+)')
  if now - tonumber(at) > counts_ms then redis.call('HDEL', counts, fields[i])
  elseif #found < counts_max * 3 then
    found[#found + 1], found[#found + 2], found[#found + 3] = fields[i], tonumber(count), tonumber(peak)
  end
end
return {digest, digest ~= known_digest and bitmap or '', found}
