-- Gives `rest`: a list of all arguments from one on, for a call with any number of arguments.
local function rest(arguments, first)
  local list = {}
  for i = first, #arguments do list[i - first + 1] = arguments[i] end
  return list
end
