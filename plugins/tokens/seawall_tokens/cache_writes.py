"""Which prefixes the prompt cache has, and which of them a first request is writing now.

Another request with the same prefix waits until the answer to the first has begun: then it reads what would
else be paid for twice. Pure functions on a document.
"""

from collections.abc import Collection
from typing import Any, Final

from seawall.state import Document

_KEY: Final = "prefixes"
"""Where the document keeps, by prefix, whether the cache has it (1 or 0), and until when that is believed."""
_WARM: Final = 300.0
"""Seconds that a prefix stays in the prompt cache after it was used:
https://platform.claude.com/docs/en/build-with-claude/prompt-caching"""
_WRITING: Final = 30.0
"""Seconds after which nobody waits any longer for the answer to the first request with a prefix."""
_MOST: Final = 64
"""Prefixes that are kept."""


def warmed(document: Document, prefixes: Collection[str]) -> Document:
    """Return the document after requests with these prefixes were answered."""
    if not prefixes:
        return document
    until = document["time"] + _WARM
    states = {**document.get(_KEY, {}), **{prefix: [1, until] for prefix in prefixes}}
    known = [prefix for prefix, (_, expires) in states.items() if expires > document["time"]]
    known.sort(key=lambda prefix: (states[prefix][1], prefix), reverse=True)
    return {**document, _KEY: {prefix: states[prefix] for prefix in known[:_MOST]}}


def is_written(document: Document, prefix: str) -> bool:
    """Return whether the first request with a prefix is under way, so that another could not read it yet."""
    is_warm, until = _state(document, prefix)
    return not is_warm and bool(until > document["time"])


def written(document: Document, prefix: str) -> Document:
    """Return the document after a request with a prefix was admitted: the first one, unless one is known."""
    if not prefix or _state(document, prefix)[1] > document["time"]:
        return document
    first = {prefix: [0, document["time"] + _WRITING]}
    return {**document, _KEY: {**document.get(_KEY, {}), **first}}


def _state(document: Document, prefix: str) -> Any:
    return document.get(_KEY, {}).get(prefix, (1, 0.0))


LUA: Final = f"""
local function state(document, prefix)
  return unpack(document.{_KEY} and document.{_KEY}[prefix] or {{1, 0}})
end

local function warmed(document, prefixes)
  if prefixes[1] == nil then
    return
  end
  local states, known, kept = document.{_KEY} or {{}}, {{}}, {{}}
  for _, prefix in ipairs(prefixes) do
    states[prefix] = {{1, document.time + {_WARM}}}
  end
  for prefix, state in pairs(states) do
    if state[2] > document.time then
      known[#known + 1] = prefix
    end
  end
  table.sort(known, function(one, other)
    local first, second = states[one][2], states[other][2]
    return first > second or first == second and one > other
  end)
  for i = 1, math.min(#known, {_MOST}) do
    kept[known[i]] = states[known[i]]
  end
  document.{_KEY} = kept
end

local function is_written(document, prefix)
  local is_warm, expires = state(document, prefix)
  return is_warm == 0 and expires > document.time
end

local function written(document, prefix)
  local _, expires = state(document, prefix)
  if prefix ~= '' and expires <= document.time then
    document.{_KEY} = document.{_KEY} or {{}}
    document.{_KEY}[prefix] = {{0, document.time + {_WRITING}}}
  end
end
"""
"""The same for steps in Lua, to be put before them; the functions change `document`."""
