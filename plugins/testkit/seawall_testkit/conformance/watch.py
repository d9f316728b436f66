"""Notices what blocks, in a hook and on the thread that runs it.

Python tells of files and new connections by its audit events. A hook for them stays for as long as the
process lives; outside of a watched hook it does nothing. Of what goes over a connection that is open already
there are no events, and of sleeping only from Python 3.13 on: a profile function sees these calls.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Self

from seawall.state import READ, MemoryStore, leases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from seawall.state import Step

_EVENTS: Final = {
    "open": "opens a file",
    "socket.connect": "connects to something",
    "socket.getaddrinfo": "looks up a name",
    "sqlite3.connect": "opens a database",
    "subprocess.Popen": "starts a process",
    "time.sleep": "sleeps",
}
_SLEEP: Final = time.sleep  # noqa: TID251 - to know it again
_SOCKET: Final = ("accept", "connect", "recv", "recv_into", "recvfrom", "send", "sendall", "sendto")
_TLS: Final = ("do_handshake", "read", "write")
_DATABASE: Final = ("commit", "execute", "executemany", "executescript", "fetchall", "fetchmany", "fetchone")
"""Methods of what is open already."""

_here = threading.local()


@contextmanager
def watched(notice: Callable[[str], None] | None) -> Iterator[None]:
    """Give `notice` what blocks in this thread meanwhile; `None`: it may."""
    _listen()
    before, profile = getattr(_here, "notice", None), sys.getprofile()
    _here.notice = notice
    if notice is not None:
        sys.setprofile(_calls_heard(notice))
    try:
        yield
    finally:
        sys.setprofile(profile)
        _here.notice = before


@cache
def _listen() -> None:
    def heard(event: str, _: Any, *, events: dict[str, str] = _EVENTS, here: Any = _here) -> None:
        if event in events and (notice := getattr(here, "notice", None)):
            notice(events[event])

    sys.addaudithook(heard)


def _calls_heard(notice: Callable[[str], None]) -> Callable[[FrameType, str, Any], None]:
    def heard(frame: FrameType, event: str, function: Any) -> None:
        del frame
        if event == "c_call" and (what := _blocking(function)):
            notice(what)

    return heard


def _blocking(function: Any) -> str | None:
    """Return what a function that is no Python function does, if it may block."""
    if function is _SLEEP:
        return "sleeps"
    name, owner = getattr(function, "__name__", ""), getattr(function, "__self__", None)
    # a socket that does not block wakes an event loop
    if name in _SOCKET and isinstance(owner, socket.socket) and owner.gettimeout() != 0:
        return "uses a connection"
    if name in _TLS and type(owner).__name__ == "_SSLSocket":
        return "uses a connection"
    if name in _DATABASE and any(base.__module__ == "sqlite3" for base in type(owner).__mro__):
        return "uses a database"
    return None


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
