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
    place = Place(finish, start, *amounts, request["prefix"], expires=_moment(time + _SLACK))
    return {**document, _KEY: {**document.get(_KEY, {}), ticket: place}}


def staying(document: Document, ticket: str, seconds: float) -> Document:
    """Return the document in which a request waits so long before it asks again."""
    place = Place(*document[_KEY][ticket])
    place = place._replace(expires=_moment(document["time"] + seconds + _SLACK))
    return {**document, _KEY: {**document[_KEY], ticket: place}}


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
