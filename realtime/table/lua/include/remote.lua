-- Gives `elsewhere`: the viewers in other regions and their peak, of the regions that reported lately. Needs `now` and
-- `remote` of the topic.
local function elsewhere()
  local count, peak = 0, 0
  for _, known in ipairs(redis.call('HVALS', remote)) do
    local viewers, highest, till = string.match(known, '(%d+) (%d+) (%d+)')
    if tonumber(till) > now then count, peak = count + viewers, math.max(peak, tonumber(highest)) end
  end
  return count, peak
end
