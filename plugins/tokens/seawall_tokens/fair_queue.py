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

WAITING: Final = "waiting"
"""Where a document keeps what waits, by ticket."""
_UNIT: Final = 10**9
"""Of virtual time, in a minute of the limits."""
_SLACK: Final = 3.0
"""Seconds that a waiting request may come later than it said."""


class Place(NamedTuple):
    """A request that waits.

    In the document it is a text, its fields in a row: Redis reads and writes that in a third of the time of a
    list, which is most of what a step costs where many wait.
    """

    expires: int
    """Milliseconds."""
    finish: int
    """In units of virtual time, as `start`."""
    start: int
    input: int
    """Tokens."""
    output: int
    prefix: str

    def __str__(self) -> str:
        return " ".join(map(str, self))

    @classmethod
    def of(cls, text: str) -> "Place":
        """Return the place that a text is."""
        expires, finish, start, input_tokens, output, prefix = text.split(" ", 5)
        return cls(int(expires), int(finish), int(start), int(input_tokens), int(output), prefix)


def places(document: Document) -> dict[str, Place]:
    """Return what waits, by ticket, the next first."""
    waiting = [(ticket, Place.of(text)) for ticket, text in document.get(WAITING, {}).items()]
    return dict(sorted(waiting, key=lambda item: (item[1].finish, item[0])))


def place(document: Document, ticket: str) -> Place:
    """Return where a request waits."""
    return Place.of(document[WAITING][ticket])


def before(document: Document, ticket: str) -> list[Place]:
    """Return what is before a request that waits, in any order."""
    mine = place(document, ticket)
    waiting = ((other, Place.of(text)) for other, text in document[WAITING].items())
    return [found for other, found in waiting if (found.finish, other) < (mine.finish, ticket)]


def with_place(document: Document, ticket: str, request: Mapping[str, Any], cost: float) -> Document:
    """Return the document with a place for a request in it; the tags it had before are kept."""
    time = document["time"]
    old = document.get(WAITING, {}).get(ticket)
    if old is not None or request["tags"]:
        finish, start = Place.of(old)[1:3] if old is not None else request["tags"]
    else:
        finished = document.get("finished", {})
        start = max(document.get("virtual", 0), finished.get(request["caller"], 0))
        finish = start + max(round(_UNIT * cost / request["weight"]), 1)
        document = {**document, "finished": {**finished, request["caller"]: finish}}
    amounts = (round(request["input"]), round(request["output"]))
    new = Place(_moment(time + _SLACK), finish, start, *amounts, request["prefix"])
    return {**document, WAITING: {**document.get(WAITING, {}), ticket: str(new)}}


def staying(document: Document, ticket: str, seconds: float) -> Document:
    """Return the document in which a request waits so long before it asks again."""
    waits = place(document, ticket)._replace(expires=_moment(document["time"] + seconds + _SLACK))
    return {**document, WAITING: {**document[WAITING], ticket: str(waits)}}


def without(document: Document, tickets: list[str], *, served: bool = False) -> Document:
    """Return the document without these; where they were `served`, virtual time goes on."""
    queue = document.get(WAITING, {})
    gone = [Place.of(queue[ticket]) for ticket in tickets if ticket in queue]
    if not gone:
        return document
    kept = {ticket: place for ticket, place in queue.items() if ticket not in tickets}
    document = _set(document, WAITING, kept)
    if served:
        virtual = max(document.get("virtual", 0), *(place.start for place in gone))
        # a caller that is behind the virtual time is as one that never came
        finished = {caller: tag for caller, tag in document.get("finished", {}).items() if tag > virtual}
        document = _set({**document, "virtual": virtual}, "finished", finished)
    return document


def expired(document: Document) -> Document:
    """Return the document without those that did not come back in time."""
    time = _moment(document["time"])
    gone = [
        ticket for ticket, text in document.get(WAITING, {}).items() if int(text.split(" ", 1)[0]) <= time
    ]
    return without(document, gone)


def _moment(seconds: float) -> int:
    return round(1_000 * seconds)


def _set(document: Document, key: str, value: dict[str, Any]) -> Document:
    """An empty table is left out: Lua could not tell it from a list."""
    if value:
        return {**document, key: value}
    return {name: kept for name, kept in document.items() if name != key}


LUA: Final = f"""
local function place(document, ticket)
  local pattern = '^(%S+) (%S+) (%S+) (%S+) (%S+) (.*)$'
  local expires, finish, start, input, output, prefix = string.match(document.{WAITING}[ticket], pattern)
  return {{
    expires = tonumber(expires), finish = tonumber(finish), start = tonumber(start),
    input = tonumber(input), output = tonumber(output), prefix = prefix
  }}
end

local function put(document, ticket, place)
  document.{WAITING}[ticket] = string.format(
    '%.0f %.0f %.0f %.0f %.0f ', place.expires, place.finish, place.start, place.input, place.output
  ) .. place.prefix
end

local function round(value)
  return tonumber(string.format('%.0f', value))
end

local function moment(seconds)
  return round(1000 * seconds)
end

local function before(document, ticket)
  local mine, found = place(document, ticket).finish, {{}}
  for other, text in pairs(document.{WAITING}) do
    local finish = tonumber(string.match(text, '^%S+ (%S+)'))
    if finish < mine or finish == mine and other < ticket then
      found[#found + 1] = place(document, other)
    end
  end
  return found
end

local function with_place(document, ticket, request, cost)
  document.{WAITING} = document.{WAITING} or {{}}
  local finish, start = unpack(request.tags)
  if document.{WAITING}[ticket] then
    local old = place(document, ticket)
    finish, start = old.finish, old.start
  elseif not finish then
    document.finished = document.finished or {{}}
    start = math.max(document.virtual or 0, document.finished[request.caller] or 0)
    finish = start + math.max(round({_UNIT} * cost / request.weight), 1)
    document.finished[request.caller] = finish
  end
  put(document, ticket, {{
    expires = moment(document.time + {_SLACK}), finish = finish, start = start,
    input = request.input, output = request.output, prefix = request.prefix
  }})
end

local function staying(document, ticket, seconds)
  local waits = place(document, ticket)
  waits.expires = moment(document.time + seconds + {_SLACK})
  put(document, ticket, waits)
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
  local queue, virtual = document.{WAITING} or {{}}, nil
  for _, ticket in ipairs(tickets) do
    if queue[ticket] then
      virtual = math.max(virtual or document.virtual or 0, place(document, ticket).start)
      queue[ticket] = nil
    end
  end
  document.{WAITING} = next(queue) ~= nil and queue or nil
  if is_served and virtual then
    serve(document, virtual)
  end
end

local function expired(document)
  local time, gone = moment(document.time), {{}}
  for ticket, text in pairs(document.{WAITING} or {{}}) do
    if tonumber(string.match(text, '^%S+')) <= time then
      gone[#gone + 1] = ticket
    end
  end
  without(document, gone)
end
"""
"""The same for steps in Lua, to be put before them; the functions change `document`."""
