"""The Lua around a step: reads the document, runs the step, writes what became of it."""

import functools
from typing import Final

_CODEC: Final = """
local quoted = {}

local function json(value)
  local kind = type(value)
  if kind == 'number' then
    if value ~= value or value - value ~= 0 then
      error('a number is not finite', 0)
    end
    return string.format('%.17g', value)
  elseif kind ~= 'table' then
    return cjson.encode(value)
  end
  local parts = {}
  if value[1] ~= nil then
    local number = 0
    for _ in pairs(value) do
      number = number + 1
    end
    for i = 1, number do
      if value[i] == nil then
        error('a list has a gap, or keys', 0)
      end
      parts[i] = json(value[i])
    end
    return '[' .. table.concat(parts, ',') .. ']'
  end
  for key, item in pairs(value) do
    if type(key) ~= 'string' then
      error('a key is not a string: ' .. tostring(key), 0)
    end
    if not quoted[key] then
      quoted[key] = cjson.encode(key) .. ':'
    end
    parts[#parts + 1] = quoted[key] .. json(item)
  end
  return '{' .. table.concat(parts, ',') .. '}'
end
"""
"""`cjson.encode` of Redis keeps 14 digits of a number: a moment to a tenth of a millisecond."""

_HOLE: Final = "<step>"
_FRAME: Final = """
local function step(document, arguments)
<step>
end
local before, document = redis.call('GET', KEYS[1]), {}
if before then
  local is_json, value = pcall(cjson.decode, before)
  if not is_json or type(value) ~= 'table' or value[1] ~= nil then
    return redis.error_reply('DAMAGED the value of ' .. KEYS[1] .. ' is no document')
  end
  document = value
end
local ok, result, text = pcall(function()
  local after, result = step(document, cjson.decode(ARGV[1]))
  if type(after) ~= 'table' or after[1] ~= nil then
    error('a table with keys is expected as the document', 0)
  end
  return result == nil and 'null' or json(result), next(after) ~= nil and json(after)
end)
if not ok then
  return redis.error_reply('STEP ' .. tostring(type(result) == 'table' and result.err or result))
end
if not text then
  redis.call('DEL', KEYS[1])
elseif text ~= before then
  redis.call('SET', KEYS[1], text)
end
return result
"""

SWAP: Final = """
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then
  return 0
end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[2])
end
return 1
"""
"""Writes the second argument if the document is still the first."""


@functools.lru_cache(maxsize=256)
def framed(lua: str) -> str:
    """Return the script for a step in Lua."""
    return _CODEC + _FRAME.replace(_HOLE, lua)
