"""How much of the limits a request takes, and what the buckets must hold for it to go.

Pure functions on a document.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

from seawall.state import Document
from seawall_tokens import buckets
from seawall_tokens.fair_queue import Place

_ALPHA: Final = 0.5
"""Part of what flows in while the answers in flight are written that is counted on."""
_SPEED: Final = 80.0
"""Output tokens a second of one answer."""


def cost(document: Document, request: Mapping[str, Any]) -> float:
    """Return the minutes of the limits that a request takes."""
    amounts = {"requests": 1.0, "input": request["input"], "output": request["output"]}
    minutes = 0.0
    # not `sum`, which rounds otherwise than Lua from Python 3.12 on
    for name, limit in buckets.limits_of(document).items():
        minutes += amounts[name] / limit
    return minutes or 1.0


def needs(
    document: Document, held: Mapping[str, float], ahead: Collection[Place], mine: Place, *, reserves: bool
) -> dict[str, float]:
    """Return what the buckets must hold for one request to go, after those ahead of it.

    One that needs more than a bucket can hold goes when it is full, and leaves a debt.
    """
    own = {"requests": 1.0, "input": float(mine.input), "output": float(mine.output)}
    before = {
        "requests": float(len(ahead)),
        "input": float(sum(place.input for place in ahead)),
        "output": sum(place.output for place in ahead) + (0.0 if reserves else _in_flight(document, held)),
    }
    found = {}
    for name in buckets.limits_of(document):
        most = buckets.capacity(document, name)
        found[name] = before[name] + min(own[name] + buckets.left_alone(document, name), most)
    return found


def _in_flight(document: Document, held: Mapping[str, float]) -> float:
    """Output tokens that running attempts may still write, less a part of what flows in meanwhile."""
    limit = buckets.limits_of(document).get("output", 0.0)
    outstanding, streams = held.get("output", 0.0), held.get("streams", 0)
    lasts = outstanding / (streams * _SPEED) if streams else 0.0
    return outstanding - _ALPHA * limit * buckets.share(document) / buckets.FULL * lasts


LUA: Final = f"""
local function cost(document, request)
  local amounts = {{requests = 1, input = request.input, output = request.output}}
  local minutes, limits = 0, limits_of(document)
  for _, name in ipairs(sorted_keys(limits)) do
    minutes = minutes + amounts[name] / limits[name]
  end
  return minutes == 0 and 1 or minutes
end

local function in_flight(document, held)
  local most = limits_of(document).output or 0
  local outstanding, streams = held.output or 0, held.streams or 0
  local lasts = streams ~= 0 and outstanding / (streams * {_SPEED}) or 0
  return outstanding - {_ALPHA} * most * share(document) / {buckets.FULL} * lasts
end

local function needs(document, held, ahead, mine, reserves)
  local own = {{requests = 1, input = mine.input, output = mine.output}}
  local before, found = {{requests = #ahead, input = 0, output = 0}}, {{}}
  for _, place in ipairs(ahead) do
    before.input, before.output = before.input + place.input, before.output + place.output
  end
  before.output = before.output + (reserves and 0 or in_flight(document, held))
  for name in pairs(limits_of(document)) do
    local alone = math.min(own[name] + left_alone(document, name), capacity(document, name))
    found[name] = before[name] + alone
  end
  return found
end
"""
"""The same for steps in Lua, to be put before them, after `leases.LUA`, `buckets.LUA` and
`fair_queue.LUA`."""
