-- Gives `remote`: the viewers in other regions and their peak, of the regions that reported lately. Needs `now`.
-- `fields`: names and values of the hash of shares. A region's field is `#abroad:<region>`: "<count> <peak> <until>".
local function remote(fields)
  local count, peak = 0, 0
  for i = 1, #fields, 2 do
    if string.sub(fields[i], 1, 8) == '#abroad:' then
      local viewers, highest, till = string.match(fields[i + 1], '(%d+) (%d+) (%d+)')
      if tonumber(till) > now then count, peak = count + viewers, math.max(peak, tonumber(highest)) end
    end
  end
  return count, peak
end
