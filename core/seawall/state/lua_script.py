"""The Lua around a step: reads the document, runs the step, writes what became of it.

It writes documents as MessagePack: Redis reads and writes that in half the time of JSON (measured), and all
digits of a number stay. What MessagePack of Redis cannot carry is JSON all the same: `null`, and what is
nested deeper than it goes. So is what steps without Lua write, as Lua cannot tell an empty list from an empty
dict. The first byte tells one from the other.

Redis makes each function of a script anew whenever it runs, so there are few, and none that nobody calls.
"""

import functools
import re
from typing import Final

_CODEC: Final = """
local is_plain, has_marks
local type, next = type, next

local function digits(value)
  if value - value ~= 0 then
    error('a number is not finite', 0)
  end
  return string.format('%.17g', value)
end

local function walk(value, depth, marks)
  local is_list = value[1] ~= nil
  if is_list then
    local length = 0
    for _ in next, value do
      length = length + 1
    end
    for i = 1, length do
      if value[i] == nil then
        error('a list has a gap, or keys', 0)
      end
    end
  end
  if depth > 16 then
    is_plain = false
  end
  for key, item in next, value do
    local kind = type(item)
    if kind == 'number' then
      if marks and not (item % 1 == 0 and item > -1e14 and item < 1e14) then
        value[key] = '\\255' .. digits(item)
        has_marks = true
      elseif item - item ~= 0 then
        digits(item)
      end
    elseif kind == 'table' then
      walk(item, depth + 1, marks)
    elseif kind ~= 'string' and kind ~= 'boolean' then
      is_plain = false
    end
    if not is_list and type(key) ~= 'string' then
      error('a key is not a string: ' .. tostring(key), 0)
    end
  end
end

local function json(value)
  local kind = type(value)
  if kind == 'boolean' then
    return value and 'true' or 'false'
  elseif kind == 'number' then
    return digits(value)
  elseif kind == 'table' then
    walk(value, 1, true)
  end
  local text = cjson.encode(value)
  return has_marks and string.gsub(text, '"\\255([^"]*)"', '%1') or text
end
"""
"""`cjson.encode` of Redis keeps 14 digits of a number: a moment to a tenth of a millisecond. What needs more
goes through it as text, after a byte that UTF-8 has not. All in Lua takes a third longer (measured)."""

_READ: Final = """
local is_known, document, more = true, {}
if before and string.byte(before) == 123 then
  is_known, document = pcall(cjson.decode, before)
elseif before then
  is_known, document, more = pcall(cmsgpack.unpack, before)
end
if not is_known or more ~= nil or type(document) ~= 'table' or document[1] ~= nil then
  return redis.error_reply('DAMAGED the value of ' .. KEYS[1] .. ' is no document')
end
"""
"""Makes `document` of the text `before`."""

_HOLE: Final = "<step>"
_FRAME: Final = """
local function step(document, arguments)
<step>
end
local function stepped(document, arguments)
  local after, result = step(document, cjson.decode(arguments))
  if type(after) ~= 'table' or after[1] ~= nil then
    error('a table with keys is expected as the document', 0)
  end
  local text
  if next(after) ~= nil then
    is_plain = true
    walk(after, 1, false)
    text = is_plain and cmsgpack.pack(after) or json(after)
  end
  return result == nil and 'null' or json(result), text
end
local ok, result, text = pcall(stepped, document, ARGV[1])
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

OPEN: Final = f"""{_CODEC}
local before = ARGV[1]
{_READ}
return json(document)
"""
"""Returns the JSON of the document that is given."""

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

_FUNCTION: Final = re.compile(r"^local function (\w+)\(.*\n(?:[ \t].*\n|\n)*end\n", re.MULTILINE)
_LONG_TEXT: Final = re.compile(r"\[=*\[")


@functools.lru_cache(maxsize=256)
def framed(lua: str) -> str:
    """Return the script for a step in Lua."""
    script = "local before = redis.call('GET', KEYS[1])" + _READ + _CODEC
    return script + _FRAME.replace(_HOLE, _without_unused(lua))


def _without_unused(lua: str) -> str:
    if _LONG_TEXT.search(lua):
        # what looks like a function may be text
        return lua
    # from the end on: what only an unused one calls is unused too
    for function in reversed(list(_FUNCTION.finditer(lua))):
        rest = lua[function.end() :]
        if not re.search(rf"(?<![.:])\b{function[1]}\b", rest):
            lua = lua[: function.start()] + rest
    return lua
