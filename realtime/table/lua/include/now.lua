-- Gives `now`: the time in ms, by the clock of Redis itself. Clocks of two hosts are never compared.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
