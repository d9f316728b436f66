"""What processes tell each other of the calls that run: only while somebody watches, each for itself.

One small document knows who watches and which processes have calls, as leases: what a killed process had goes
with its lease, at once where it can be looked up, in seconds elsewhere. What runs is in a document for each
process, so that they do not wait for each other. While nobody watches nothing is written.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypedDict

from seawall.state import Document, Step, clock, leases

KEY: Final = "progress:watch"
"""Of the document of who watches, and who has calls."""
LASTS: Final = 10.0
"""Seconds for which watching, or having calls, lasts without being said again."""
MOST: Final = 50
"""Calls that a process tells of, the oldest; of the others their number."""


class Told(TypedDict):
    """What a process that has calls is told."""

    is_watched: bool
    ended: Sequence[str]
    """Processes that are gone: whoever is told this first clears up after them."""


def calls_key(owner: str) -> str:
    """Return the key of the document of a process's calls."""
    return f"progress:calls:{owner}"


def _report(document: Document, arguments: Mapping[str, Any]) -> tuple[Document, Told]:
    if not document:
        return document, Told(is_watched=False, ended=[])
    document, ended = _passed(document, arguments)
    if not leases.owners(document, "watches"):
        gone = leases.owners(document, "calls")
        return {}, Told(
            is_watched=False, ended=[*ended, *(owner for owner in gone if owner != arguments["owner"])]
        )
    amounts = {"calls": arguments["calls"]}
    document = leases.grant(document, arguments["owner"], amounts, document["time"] + LASTS)
    return document, Told(is_watched=True, ended=ended)


def _watch(document: Document, arguments: Mapping[str, Any]) -> tuple[Document, tuple[list[str], list[str]]]:
    document, ended = _passed(document, arguments)
    document = leases.grant(document, arguments["owner"], {"watches": 1}, document["time"] + LASTS)
    return document, (leases.owners(document, "calls"), ended)


def _leave(document: Document, arguments: Mapping[str, Any]) -> tuple[Document, None]:
    document, _ = leases.release(document, arguments["owner"])
    return document if leases.LEASES in document else {}, None


REPORT: Final[Step[Told]] = Step("report", _report)
"""A process has calls. Arguments: `now`, `owner`, how many `calls`, `dead` owners."""
WATCH: Final[Step[tuple[list[str], list[str]]]] = Step("watch", _watch)
"""Somebody watches; returns the owners that have calls, and those that are gone. Arguments: `now`, `owner`,
`dead` owners."""
LEAVE: Final = Step("leave", _leave)
"""A process has no calls any more, or watches no more. Argument: `owner`."""
PUT: Final = Step("put", lambda _, arguments: (arguments["document"], None))
"""Replaces a document. Argument: `document`."""


def _passed(document: Document, arguments: Mapping[str, Any]) -> tuple[Document, list[str]]:
    """Return the document as of now, and the processes whose calls ended with them."""
    document, seconds = clock.elapsed(document, arguments["now"])
    before = leases.owners(document, "calls")
    document = {**document, "time": document.get("time", 0.0) + seconds}
    document, _ = leases.expire(document, document["time"], arguments["dead"])
    left = leases.owners(document)
    return document, [owner for owner in before if owner not in left]
