"""Who is next: weighted fair queueing between callers, first come first served for each of them.

Each request gets a start and a finish tag when it comes: it starts when the one before it of its caller
finishes, or at the virtual time if that is later, and takes its cost over the caller's weight. The smallest
finish tag is next (A. Demers, S. Keshav, S. Shenker, "Analysis and Simulation of a Fair Queueing Algorithm",
1989); the virtual time is the start tag of the last one served (P. Goyal, H. Vin, H. Cheng, "Start-time Fair
Queueing", 1996). So a caller with a short request goes before those with a backlog, and nobody starves.

Pure functions on a document; what waits there ends by itself when its process does not come back for it.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from seawall.state import Document

_KEY: Final = "queue"
_UNIT: Final = 10**9
"""Of virtual time, in a minute of the limits."""
_SLACK: Final = 3.0
"""Seconds that a waiting request may come later than it said."""


class Place(NamedTuple):
    """A request that waits; a list in the document, of whole numbers: those are read and written fastest."""

    finish: int
    """In units of virtual time, as `start`."""
    start: int
    input: int
    """Tokens."""
    output: int
    prefix: str
    expires: int
    """Milliseconds."""


def places(document: Document) -> dict[str, Place]:
    """Return what waits, by ticket, the next first."""
    waiting = sorted(document.get(_KEY, {}).items(), key=lambda item: (item[1][0], item[0]))
    return {ticket: Place(*values) for ticket, values in waiting}


def place(document: Document, ticket: str) -> Place:
    """Return where a request waits."""
    return Place(*document[_KEY][ticket])


def before(document: Document, ticket: str) -> list[Place]:
    """Return what is before a request that waits, in any order."""
    queue = document[_KEY]
    mine = (queue[ticket][0], ticket)
    return [Place(*values) for other, values in queue.items() if (values[0], other) < mine]


def with_place(document: Document, ticket: str, request: Mapping[str, Any], cost: float) -> Document:
    """Return the document with a place for a request in it; the tags it had before are kept."""
    time = document["time"]
    old = document.get(_KEY, {}).get(ticket)
    if old is not None or request["tags"]:
        finish, start = Place(*old)[:2] if old is not None else request["tags"]
    else:
        finished = document.get("finished", {})
        start = max(document.get("virtual", 0), finished.get(request["caller"], 0))
        finish = start + max(round(_UNIT * cost / request["weight"]), 1)
        document = {**document, "finished": {**finished, request["caller"]: finish}}
    amounts = (round(request["input"]), round(request["output"]))
    new = Place(finish, start, *amounts, request["prefix"], expires=_moment(time + _SLACK))
    return {**document, _KEY: {**document.get(_KEY, {}), ticket: list(new)}}


def staying(document: Document, ticket: str, seconds: float) -> Document:
    """Return the document in which a request waits so long before it asks again."""
    waits = place(document, ticket)._replace(expires=_moment(document["time"] + seconds + _SLACK))
    return {**document, _KEY: {**document[_KEY], ticket: list(waits)}}


def without(document: Document, tickets: list[str], *, served: bool = False) -> Document:
    """Return the document without these; where they were `served`, virtual time goes on."""
    queue = document.get(_KEY, {})
    gone = [Place(*queue[ticket]) for ticket in tickets if ticket in queue]
    if not gone:
        return document
    kept = {ticket: place for ticket, place in queue.items() if ticket not in tickets}
    document = _set(document, _KEY, kept)
    if served:
        virtual = max(document.get("virtual", 0), *(place.start for place in gone))
        # a caller that is behind the virtual time is as one that never came
        finished = {caller: tag for caller, tag in document.get("finished", {}).items() if tag > virtual}
        document = _set({**document, "virtual": virtual}, "finished", finished)
    return document


def expired(document: Document) -> Document:
    """Return the document without those that did not come back in time."""
    time = _moment(document["time"])
    gone = [ticket for ticket, values in document.get(_KEY, {}).items() if values[-1] <= time]
    return without(document, gone)


def _moment(seconds: float) -> int:
    return round(1_000 * seconds)


def _set(document: Document, key: str, value: dict[str, Any]) -> Document:
    """An empty table is left out: Lua could not tell it from a list."""
    if value:
        return {**document, key: value}
    return {name: kept for name, kept in document.items() if name != key}


_FIELDS: Final = ", ".join(field.upper() for field in Place._fields)
LUA: Final = f"""
local {_FIELDS} = {", ".join(str(number) for number in range(1, len(Place._fields) + 1))}

local function round(value)
  return tonumber(string.format('%.0f', value))
end

local function moment(seconds)
  return round(1000 * seconds)
end

local function before(document, ticket)
  local mine, found = document.{_KEY}[ticket], {{}}
  for other, place in pairs(document.{_KEY}) do
    if place[FINISH] < mine[FINISH] or place[FINISH] == mine[FINISH] and other < ticket then
      found[#found + 1] = place
    end
  end
  return found
end

local function with_place(document, ticket, request, cost)
  document.{_KEY}, document.finished = document.{_KEY} or {{}}, document.finished or {{}}
  local old, finish, start = document.{_KEY}[ticket], unpack(request.tags)
  if old then
    finish, start = old[FINISH], old[START]
  elseif not finish then
    start = math.max(document.virtual or 0, document.finished[request.caller] or 0)
    finish = start + math.max(round({_UNIT} * cost / request.weight), 1)
    document.finished[request.caller] = finish
  end
  document.finished = next(document.finished) ~= nil and document.finished or nil
  local expires = moment(document.time + {_SLACK})
  document.{_KEY}[ticket] = {{
    finish, start, round(request.input), round(request.output), request.prefix, expires
  }}
end

local function staying(document, ticket, seconds)
  document.{_KEY}[ticket][EXPIRES] = moment(document.time + seconds + {_SLACK})
end

local function serve(document, virtual)
  document.virtual = virtual
  local finished = document.finished or {{}}
  for caller, tag in pairs(finished) do
    finished[caller] = tag > virtual and tag or nil
  end
  document.finished = next(finished) ~= nil and finished or nil
end

local function without(document, tickets, is_served)
  local queue, virtual = document.{_KEY} or {{}}, nil
  for _, ticket in ipairs(tickets) do
    if queue[ticket] then
      virtual = math.max(virtual or document.virtual or 0, queue[ticket][START])
      queue[ticket] = nil
    end
  end
  document.{_KEY} = next(queue) ~= nil and queue or nil
  if is_served and virtual then
    serve(document, virtual)
  end
end

local function expired(document)
  local time, gone = moment(document.time), {{}}
  for ticket, place in pairs(document.{_KEY} or {{}}) do
    if place[EXPIRES] <= time then
      gone[#gone + 1] = ticket
    end
  end
  without(document, gone)
end
"""
"""The same for steps in Lua, to be put before them; the functions change `document`."""
