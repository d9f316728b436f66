"""The buckets of one model class: requests, input tokens, output tokens a minute.

Each is a bucket with debt: a level that fills with the limit's rate, and from which what is sent is taken,
even below zero. The API's own are near them and never known exactly, so levels follow what the headers say:
down at once, up by `_UP` of the difference. A part of the limit, the guard, is left alone; it grows with
every 429 and shrinks with every success. After an idle time only a share of the limit is used, which doubles,
as the API caps how fast usage may grow. `benchmarks/governor.py` shows what all this comes to.

Pure functions on a document.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

from seawall.state import Document, clock

FULL: Final = 60.0
"""Seconds in which an empty bucket fills: no more time passes in one step."""
GUARD: Final = 0.05
"""Part of a limit that is left alone, at least."""
_MOST_GUARD: Final = 0.25
_GUARD_UP: Final = 0.01
_GUARD_DOWN: Final = 0.0015
"""Part of what the guard is above its least that one success takes off."""
_UP: Final = 0.3
_START: Final = 0.25
"""Share of the limit that is used after an idle time."""
_DOUBLES: Final = 15.0
"""Seconds in which that share doubles."""


def begun(document: Document, now: float, limits: Mapping[str, float]) -> Document:
    """Return the document with time in it passed until `now`.

    Args:
        document: Any.
        now: Of a clock that all who use the document have.
        limits: Those that were configured, by dimension: upper bounds of those that were learned.
    """
    document, seconds = clock.elapsed(document, now, at_most=FULL)
    time = document.get("time", 0.0) + seconds
    is_idle = "time" not in document or seconds >= FULL
    ramp = time if is_idle else document["ramp"]
    document = {**document, "time": time, "ramp": ramp, "configured": dict(limits)}
    if not limits:
        del document["configured"]
    return _filled(document, seconds)


def limits_of(document: Document) -> dict[str, float]:
    """Return the limits a minute that hold, by dimension."""
    names = {*document.get("limits", {}), *document.get("configured", {})}
    return {name: _limit(document, name) for name in sorted(names)}


def _limit(document: Document, name: str) -> float:
    learned, configured = document.get("limits", {}), document.get("configured", {})
    return float(min(learned.get(name, math.inf), configured.get(name, math.inf)))


def share(document: Document) -> float:
    """Return the share of the limits that is used now."""
    return float(min(1.0, _START * 2 ** min((document["time"] - document["ramp"]) / _DOUBLES, 8)))


def capacity(document: Document, name: str) -> float:
    """Return what a bucket holds when it is full: what flows in in a minute, or the most that was ever left.

    "60 RPM might be enforced as 1 request per second": how deep the API's buckets are is not documented.
    """
    return min(_limit(document, name) * share(document), _depth(document, name))


def _depth(document: Document, name: str) -> float:
    return float(document.get("deepest", {}).get(name, math.inf))


def left_alone(document: Document, name: str) -> float:
    """Return how much of a bucket is left alone now; of a shallow one a third at most."""
    part = 0.0 if name == "requests" else guard(document)
    return min(part * _limit(document, name), _depth(document, name) / 3)


def guard(document: Document) -> float:
    """Return the part of the limits that is left alone now."""
    return float(document.get("guard", GUARD))


def _filled(document: Document, seconds: float) -> Document:
    levels, part = dict(document.get("levels", {})), share(document)
    for name, limit in limits_of(document).items():
        full = capacity(document, name)
        levels[name] = min(levels.get(name, full) + limit * part * seconds / FULL, full)
    return {**document, "levels": levels} if levels else document


def taken(document: Document, amounts: Mapping[str, float]) -> Document:
    """Return the document with `amounts` taken out of its buckets; negative ones come back."""
    levels, sums = dict(document.get("levels", {})), dict(document.get("taken", {}))
    for name, amount in amounts.items():
        sums[name] = sums.get(name, 0.0) + amount
        if name in levels:
            levels[name] -= amount
    document = {**document, "taken": sums}
    return {**document, "levels": levels} if levels else document


def synced(document: Document, said: Mapping[str, Any]) -> Document:
    """Return the document with its levels nearer to what an answer said.

    Args:
        document: Any.
        said: `limits`, `remaining`, and of the moment its request was admitted `time` and `taken`.
    """
    limits = {**document.get("limits", {}), **said["limits"]}
    deepest = dict(document.get("deepest", {}))
    for name, remaining in said["remaining"].items():
        is_same = document.get("limits", {}).get(name) == limits[name]
        deepest[name] = max(remaining, deepest.get(name, 0.0) if is_same else 0.0, 1.0)
    document = _filled({**document, "limits": limits, "deepest": deepest}, 0.0)
    levels, sums = dict(document.get("levels", {})), document.get("taken", {})
    age = max(document["time"] - said["time"], 0.0)
    for name, remaining in said["remaining"].items():
        limit = _limit(document, name)
        since = sums.get(name, 0.0) - said["taken"].get(name, 0.0)
        now = min(remaining + limit * age / FULL, limit, deepest[name]) - since
        levels[name] += (now - levels[name]) * (1.0 if now < levels[name] else _UP)
    return {**document, "levels": levels}


def rejected(document: Document, seconds: float) -> Document:
    """Return the document after a 429: nothing is sent for so many seconds, and no input is left then."""
    levels = dict(document.get("levels", {}))
    if "input" in levels:
        levels["input"] = min(levels["input"], 0.0)
    held_until = max(document.get("held_until", 0.0), document["time"] + seconds)
    more = min(guard(document) + _GUARD_UP, _MOST_GUARD)
    document = {**document, "held_until": held_until, "guard": more}
    return {**document, "levels": levels} if levels else document


def succeeded(document: Document, count: int) -> Document:
    """Return the document after so many attempts that were served."""
    if "guard" not in document or not count:
        return document
    return {**document, "guard": GUARD + (guard(document) - GUARD) * (1 - _GUARD_DOWN) ** count}


def seconds_until(document: Document, needs: Mapping[str, float]) -> tuple[float, str]:
    """Return how long it takes until the buckets hold `needs`, and which of them is the last."""
    flow = {name: limit * share(document) for name, limit in limits_of(document).items()}
    longest, last = 0.0, ""
    for name, need in needs.items():
        missing = need - document["levels"][name]
        if missing > 0 and (seconds := missing * FULL / flow[name]) > longest:
            longest, last = seconds, name
    return longest, last


LUA: Final = f"""
local function limit(document, name)
  local learned, configured = document.limits or {{}}, document.configured or {{}}
  return math.min(learned[name] or math.huge, configured[name] or math.huge)
end

local function limits_of(document)
  local limits = {{}}
  for _, known in ipairs({{document.limits or {{}}, document.configured or {{}}}}) do
    for name in pairs(known) do
      limits[name] = limit(document, name)
    end
  end
  return limits
end

local function share(document)
  return math.min(1, {_START} * 2 ^ math.min((document.time - document.ramp) / {_DOUBLES}, 8))
end

local function depth(document, name)
  return document.deepest and document.deepest[name] or math.huge
end

local function capacity(document, name)
  return math.min(limit(document, name) * share(document), depth(document, name))
end

local function guard(document)
  return document.guard or {GUARD}
end

local function left_alone(document, name)
  local part = name == 'requests' and 0 or guard(document)
  return math.min(part * limit(document, name), depth(document, name) / 3)
end

local function filled(document, seconds)
  local levels, part = document.levels or {{}}, share(document)
  for name, most in pairs(limits_of(document)) do
    local full = capacity(document, name)
    levels[name] = math.min((levels[name] or full) + most * part * seconds / {FULL}, full)
  end
  document.levels = next(levels) ~= nil and levels or document.levels
end

local function begun(document, now, limits)
  local seconds = elapsed(document, now, {FULL})
  local is_idle = document.time == nil or seconds >= {FULL}
  document.time = (document.time or 0) + seconds
  document.ramp = is_idle and document.time or document.ramp
  document.configured = next(limits) ~= nil and limits or nil
  filled(document, seconds)
end

local function taken(document, amounts)
  document.taken = document.taken or {{}}
  local levels, sums = document.levels or {{}}, document.taken
  for name, amount in pairs(amounts) do
    sums[name] = (sums[name] or 0) + amount
    levels[name] = levels[name] and levels[name] - amount
  end
end

local function synced(document, said)
  local limits, deepest = document.limits or {{}}, document.deepest or {{}}
  for name, remaining in pairs(said.remaining) do
    local is_same = limits[name] and limits[name] == (said.limits[name] or limits[name])
    deepest[name] = math.max(remaining, is_same and deepest[name] or 0, 1)
  end
  for name, most in pairs(said.limits) do
    limits[name] = most
  end
  document.limits, document.deepest = limits, deepest
  filled(document, 0)
  document.levels = document.levels or {{}}
  local levels, sums = document.levels, document.taken or {{}}
  local age = math.max(document.time - said.time, 0)
  for name, remaining in pairs(said.remaining) do
    local most = limit(document, name)
    local since = (sums[name] or 0) - (said.taken[name] or 0)
    local now = math.min(remaining + most * age / {FULL}, most, deepest[name]) - since
    levels[name] = levels[name] + (now - levels[name]) * (now < levels[name] and 1 or {_UP})
  end
end

local function rejected(document, seconds)
  local levels = document.levels or {{}}
  levels.input = levels.input and math.min(levels.input, 0)
  document.held_until = math.max(document.held_until or 0, document.time + seconds)
  document.guard = math.min(guard(document) + {_GUARD_UP}, {_MOST_GUARD})
end

local function succeeded(document, count)
  if document.guard and count ~= 0 then
    document.guard = {GUARD} + (document.guard - {GUARD}) * (1 - {_GUARD_DOWN}) ^ count
  end
end

local function seconds_until(document, needs)
  local longest, last = 0, ''
  for _, name in ipairs(sorted_keys(needs)) do
    local missing = needs[name] - document.levels[name]
    local seconds = missing * {FULL} / (limit(document, name) * share(document))
    if missing > 0 and seconds > longest then
      longest, last = seconds, name
    end
  end
  return longest, last
end
"""
"""The same for steps in Lua, to be put before them, after `clock.LUA` and `leases.LUA`; the functions change
`document`."""
