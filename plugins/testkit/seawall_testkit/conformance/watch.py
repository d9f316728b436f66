"""Notices what blocks, in a hook and on the thread that runs it.

Python tells of files, sleeps and connections by its audit events. A hook for them stays for as long as the
process lives; outside of a watched hook it does nothing.
"""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Self

from seawall.state import READ, MemoryStore, leases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from seawall.state import Step

_EVENTS: Final = {
    "open": "opens a file",
    "socket.connect": "connects to something",
    "socket.getaddrinfo": "looks up a name",
    "sqlite3.connect": "opens a database",
    "subprocess.Popen": "starts a process",
    "time.sleep": "sleeps",
}

_here = threading.local()


@contextmanager
def watched(notice: Callable[[str], None] | None) -> Iterator[None]:
    """Give `notice` what blocks in this thread meanwhile; `None`: it may."""
    _listen()
    before = getattr(_here, "notice", None)
    _here.notice = notice
    try:
        yield
    finally:
        _here.notice = before


@cache
def _listen() -> None:
    def heard(event: str, _: Any, *, events: dict[str, str] = _EVENTS, here: Any = _here) -> None:
        if event in events and (notice := getattr(here, "notice", None)):
            notice(events[event])

    sys.addaudithook(heard)


class WatchedStore:
    """A store in memory that says whether it blocks, and notices who reaches it where nothing may block."""

    def __init__(self, *, blocks: bool = False) -> None:
        self.blocks = blocks
        self._inner = MemoryStore()
        self._keys: set[str] = set()

    def step(self, step: Step[Any], /, *, key: str, **arguments: Any) -> Any:
        """Change a document."""
        if self.blocks and (notice := getattr(_here, "notice", None)):
            notice("reaches call.store, which may block")
        self._keys.add(key)
        return self._inner.step(step, key=key, **arguments)

    def held(self) -> list[str]:
        """Return the keys of the documents in which somebody holds something."""
        return [key for key in sorted(self._keys) if leases.held(self._inner.step(READ, key=key))]

    def close(self) -> None:
        """Do nothing: there is nothing to close."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
