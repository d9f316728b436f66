"""What calls like one took before: output tokens, by host, model and caller, kept in the shared store.

A place holds the totals of one kind of call: of two kinds that meet there, the later one stays. So the store
keeps a bounded number of small documents, whatever callers there are.
"""

import logging
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from seawall import Call
from seawall.state import READ, Document, Step, StoreError, new_lock
from seawall_progress.values import Expected

_log = logging.getLogger("seawall.progress")

_PLACES: Final = 4096
_KEPT: Final = 32
"""Totals of a kind of call: of more, the oldest are forgotten."""
_ENOUGH: Final = 5
"""Totals from which something is expected."""
_PAUSE: Final = 30.0
"""Seconds for which a store that failed is left alone."""
_MOST: Final = 1024
"""Kinds of calls that a process remembers."""

Totals = tuple[int, ...]


def _add(document: Document, arguments: Mapping[str, Any]) -> tuple[Document, list[int]]:
    totals = document["totals"] if document.get("kind") == arguments["kind"] else []
    totals = [*totals, arguments["tokens"]][-arguments["most"] :]
    return {"kind": arguments["kind"], "totals": totals}, totals


ADD: Final[Step[list[int]]] = Step(
    "add",
    _add,
    lua="""
local totals = document.kind == arguments.kind and document.totals or {}
totals[#totals + 1] = arguments.tokens
while #totals > arguments.most do
  table.remove(totals, 1)
end
document.kind = arguments.kind
document.totals = totals
return document, totals
""",
)
"""Adds a total; returns those there are, the oldest first. Arguments: `kind`, `tokens`, `most` that stay."""


class Usual:
    """Learns what calls took. Threads may share it.

    A store that fails costs what is learned, and no call waits for it again for a while.

    Args:
        clock: Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = new_lock()
        self._known: dict[str, Totals] = {}
        self._fails_until: float | None = None

    def known(self, call: Call) -> Totals | None:
        """Return what such calls took, the oldest first; `None` where that has not been looked up."""
        return self._known.get(_kind(call))

    def load(self, call: Call) -> Totals:
        """Look it up, and return it; may block."""
        kind = _kind(call)
        document = self._step(call, READ)
        if document is None:
            return ()
        found: Sequence[Any] = document["totals"] if document.get("kind") == kind else ()
        return self._note(kind, found)

    def learn(self, call: Call, tokens: int) -> None:
        """A call came to its end with so many tokens; may block."""
        kind = _kind(call)
        totals = self._step(call, ADD, kind=kind, tokens=tokens, most=_KEPT)
        if totals is not None:
            self._note(kind, totals)

    def _note(self, kind: str, totals: Sequence[Any]) -> Totals:
        found = tuple(int(tokens) for tokens in totals)
        with self._lock:
            # the one longest not learned of is first
            self._known.pop(kind, None)
            self._known[kind] = found
            if len(self._known) > _MOST:
                del self._known[next(iter(self._known))]
        return found

    def _step(self, call: Call, step: Step[Any], **arguments: Any) -> Any:
        if self._fails_until is not None and self._clock() < self._fails_until:
            return None
        place = zlib.crc32(_kind(call).encode()) % _PLACES
        try:
            answer = call.store.step(step, key=f"progress:usual:{place}", **arguments)
        except StoreError as error:
            if self._fails_until is None:
                _log.warning("what calls take is not learned: %s", error)
            self._fails_until = self._clock() + _PAUSE
            return None
        self._fails_until = None
        return answer


def expected(totals: Totals, tokens: int, most: int) -> Expected | None:
    """Return what a call with so many tokens will have, by the totals of those before; `None` for too few.

    The quartiles of those that took more than it has; of one that is longer than all, the longest.

    Args:
        totals: Of earlier calls.
        tokens: Those that it has.
        most: Its `max_tokens`; 0 for none.
    """
    if len(totals) < _ENOUGH:
        return None
    longer = sorted(total for total in totals if total > tokens) or [max(totals)]
    quartiles = (longer[round(share * (len(longer) - 1))] for share in (0.25, 0.5, 0.75))
    low, middle, high = (min(total, most) if most else total for total in quartiles)
    return Expected(middle, "learned", low, high)


def _kind(call: Call) -> str:
    # a name may be of undecodable bytes, which stores do not take
    return f"{call.host} {call.model} {call.caller}".encode(errors="backslashreplace").decode()
