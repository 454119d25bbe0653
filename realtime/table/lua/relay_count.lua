-- Note how many viewers topics have in this region. `triples`: topic, count, peak, topic, ...
local counts = KEYS[1]
local triples = ARGV
-- include now

for i = 1, #triples, 3 do
  redis.call('HSET', counts, triples[i], triples[i + 1] .. ' ' .. triples[i + 2] .. ' ' .. now)
end
redis.call('PEXPIRE', counts, 60000)
