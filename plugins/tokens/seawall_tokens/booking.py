"""The step on the document of a budget: what was spent, and what is held for calls that are running.

The document keeps what was spent in each of the last `WINDOWS` windows, and a lease for each running attempt
with what it may spend beyond that. What is known to be spent is booked at once, so a lease that ends by
itself, since its process was killed, takes nothing back that was reported; only what was held comes back.

Clocks: an attempt belongs to the window it began in, and the same amount is never forgotten twice. A clock
that jumps ahead spends of a later window what will be missing then, one that jumps back finds the window it
comes to as it was left; with too many windows known, what is before the first counts in the first. Leases end
by the time of the document, which a jump moves by `AT_MOST` seconds.

A step costs time for each lease in the document (see `seawall.state.leases`); steps of one process a second
later are one step for all of its calls.
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
SHARE: Final = 256
"""Part of what is left, one in so many, that one call may hold in advance."""


class Entry(TypedDict, total=False):
    """What is booked for one attempt."""

    window: str
    spent: float
    """To add to what was spent; negative gives back."""
    wanted: float
    """To hold beyond that, instead of what was held: at most this much; 0 ends the lease."""
    enough: float
    """Hold no more than this, or than a `SHARE` of what is left, if that is more."""
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
    results: dict[str, Booked] = {}
    for owner in sorted(arguments["entries"]):
        entry = arguments["entries"][owner]
        document, results[owner] = _booked(document, owner, entry, arguments["limit"])
    return document, results


def _booked(document: Document, owner: str, entry: Entry, limit: float) -> tuple[Document, Booked]:
    document, _ = leases.release(document, owner)
    document, window = _opened(document, entry["window"])
    # what was booked in a window that is forgotten cannot be given back in another
    change = entry["spent"] if window == entry["window"] else max(entry["spent"], 0)
    spent, held = document["spent"][window], leases.held(document).get(window, 0)
    left = limit - spent - held - change
    booked = Booked(window=window, is_refused=False, granted=0, spent=spent, held=held)
    if "least" in entry and left < entry["least"]:
        return document, {**booked, "is_refused": True}
    document = {**document, "spent": {**document["spent"], window: max(spent + change, 0)}}
    granted = min(entry["wanted"], max(entry["enough"], left / SHARE), left)
    if granted <= 0:
        return document, booked
    document = leases.grant(document, owner, {window: granted}, document["time"] + LASTS)
    return document, {**booked, "granted": granted}


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
local function held(document, window)
  local owners, total = {{}}, 0
  for owner in pairs(document.leases or {{}}) do
    owners[#owners + 1] = owner
  end
  table.sort(owners)
  for _, owner in ipairs(owners) do
    total = total + (document.leases[owner].amounts[window] or 0)
  end
  return total
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

local function booked(document, owner, entry, limit)
  release(document, owner)
  local window = opened(document, entry.window)
  local change = window == entry.window and entry.spent or math.max(entry.spent, 0)
  local spent, others = document.spent[window], held(document, window)
  local left = limit - spent - others - change
  local result = {{window = window, is_refused = false, granted = 0, spent = spent, held = others}}
  if entry.least and left < entry.least then
    result.is_refused = true
    return result
  end
  document.spent[window] = math.max(spent + change, 0)
  local granted = math.min(entry.wanted, math.max(entry.enough, left / {SHARE}), left)
  if granted > 0 then
    grant(document, owner, {{[window] = granted}}, document.time + {LASTS})
    result.granted = granted
  end
  return result
end

local seconds = elapsed(document, arguments.now, {AT_MOST})
document.time = (document.time or 0) + seconds
expire(document, document.time, arguments.dead)
local owners, results = {{}}, {{}}
for owner in pairs(arguments.entries) do
  owners[#owners + 1] = owner
end
table.sort(owners)
for _, owner in ipairs(owners) do
  results[owner] = booked(document, owner, arguments.entries[owner], arguments.limit)
end
return document, results
"""

BOOK: Final[Step[dict[str, Booked]]] = Step("book", _book, _LUA)
"""Books `entries`, by their owners and in their order, against `limit`; arguments besides: `now` and `dead`,
the owners whose processes have surely ended."""
