"""The step on the document of a budget: what was spent, and what is held for calls that are running.

The document keeps what was spent in each of the last `WINDOWS` windows, and a lease for each running attempt
with what it may spend beyond that. What is known to be spent is booked at once, so a lease that ends by
itself, since its process was killed, takes nothing back that was reported; only what was held comes back.

Clocks: an attempt belongs to the window it began in, and the same amount is never forgotten twice. A clock
that jumps ahead spends of a later window what will be missing then, one that jumps back finds the window it
comes to as it was left; with too many windows known, what is before the first counts in the first. Leases end
by the time of the document, which a jump moves by `AT_MOST` seconds.

A step costs time for each lease in the document (see `seawall.state.leases`); what the calls of one process
have written in a second is booked in one step.
"""

from collections.abc import Mapping
from typing import Any, Final, TypedDict

from seawall.state import Document, Step, clock, leases

WINDOWS: Final = 8
"""Windows whose spending is kept: two are needed when clocks differ, others by clocks that jump."""
LASTS: Final = 30.0
"""Seconds that a lease lasts; it is renewed each second."""
AT_MOST: Final = 10.0
"""Seconds that pass in a document in one step, however long ago the one before was."""


class Entry(TypedDict, total=False):
    """What is booked for one attempt."""

    window: str
    spent: float
    """To add to what was spent; negative gives back."""
    wanted: float
    """To hold beyond that, instead of what was held, as far as it is left; 0 ends the lease."""
    least: float
    """Book nothing if there is not this much to hold; without it, what is spent is booked anyway."""


class Booked(TypedDict):
    """What became of an entry."""

    window: str
    """Where it was booked."""
    is_refused: bool
    granted: float
    """What is held now."""
    spent: float
    """What was spent before, by all."""
    held: float
    """What all others hold."""


def _book(document: Document, arguments: Mapping[str, Any]) -> tuple[Document, dict[str, Booked]]:
    document, seconds = clock.elapsed(document, arguments["now"], at_most=AT_MOST)
    time = document.get("time", 0) + seconds
    document, _ = leases.expire({**document, "time": time}, time, arguments["dead"])
    # summed up once: to do it for each entry would take a second for a thousand
    held = leases.held(document)
    results: dict[str, Booked] = {}
    for owner in sorted(arguments["entries"]):
        entry = arguments["entries"][owner]
        document, released = leases.release(document, owner)
        _add(held, released, -1)
        document, results[owner] = _booked(document, owner, entry, held, arguments["limit"])
    return document, results


def _booked(
    document: Document, owner: str, entry: Entry, held: dict[str, float], limit: float
) -> tuple[Document, Booked]:
    document, window = _opened(document, entry["window"])
    # what was booked in a window that is forgotten cannot be given back in another
    change = entry["spent"] if window == entry["window"] else max(entry["spent"], 0)
    spent, others = document["spent"][window], held.get(window, 0)
    left = limit - spent - others - change
    booked = Booked(window=window, is_refused=False, granted=0, spent=spent, held=others)
    if "least" in entry and left < entry["least"]:
        return document, {**booked, "is_refused": True}
    document = {**document, "spent": {**document["spent"], window: max(spent + change, 0)}}
    granted = min(entry["wanted"], left)
    if granted <= 0:
        return document, booked
    _add(held, {window: granted}, 1)
    document = leases.grant(document, owner, {window: granted}, document["time"] + LASTS)
    return document, {**booked, "granted": granted}


def _add(held: dict[str, float], amounts: Mapping[str, float], sign: int) -> None:
    for window, amount in amounts.items():
        held[window] = held.get(window, 0) + sign * amount


def _opened(document: Document, window: str) -> tuple[Document, str]:
    """Return the document with the window in it, and which window it really is."""
    spent = document.get("spent", {})
    if window in spent:
        return document, window
    if len(spent) >= WINDOWS:
        first = min(spent)
        if window < first:
            return document, first
        spent = {name: amount for name, amount in spent.items() if name != first}
    return {**document, "spent": {**spent, window: 0}}, window


_LUA: Final = f"""{clock.LUA}{leases.LUA}
local function add(held, amounts, sign)
  for window, amount in pairs(amounts) do
    held[window] = (held[window] or 0) + sign * amount
  end
end

local function opened(document, window)
  document.spent = document.spent or {{}}
  local spent, count, first = document.spent, 0, nil
  if spent[window] then
    return window
  end
  for name in pairs(spent) do
    count = count + 1
    first = (not first or name < first) and name or first
  end
  if count >= {WINDOWS} then
    if window < first then
      return first
    end
    spent[first] = nil
  end
  spent[window] = 0
  return window
end

local function booked(document, owner, entry, held, limit)
  local window = opened(document, entry.window)
  local change = window == entry.window and entry.spent or math.max(entry.spent, 0)
  local spent, others = document.spent[window], held[window] or 0
  local left = limit - spent - others - change
  local result = {{window = window, is_refused = false, granted = 0, spent = spent, held = others}}
  if entry.least and left < entry.least then
    result.is_refused = true
    return result
  end
  document.spent[window] = math.max(spent + change, 0)
  local granted = math.min(entry.wanted, left)
  if granted > 0 then
    add(held, {{[window] = granted}}, 1)
    grant(document, owner, {{[window] = granted}}, document.time + {LASTS})
    result.granted = granted
  end
  return result
end

local seconds = elapsed(document, arguments.now, {AT_MOST})
document.time = (document.time or 0) + seconds
expire(document, document.time, arguments.dead)
local results, total = {{}}, held(document)
for _, owner in ipairs(sorted_keys(arguments.entries)) do
  add(total, release(document, owner), -1)
  results[owner] = booked(document, owner, arguments.entries[owner], total, arguments.limit)
end
return document, results
"""

BOOK: Final[Step[dict[str, Booked]]] = Step("book", _book, _LUA)
"""Books `entries`, by their owners and in their order, against `limit`; arguments besides: `now` and `dead`,
the owners whose processes have surely ended."""
