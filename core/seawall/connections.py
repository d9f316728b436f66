"""Connections that must not be used any more: those of a parent in its child, those of a closed event loop.

The pool of a client knows neither. Parent and child would write their requests to the same connection, and
read each other's answers; in another event loop than its own a connection takes a request, which is paid for,
and its answer cannot be read.
"""

import asyncio
import os
import socket
import threading
import weakref
from contextlib import suppress
from typing import Any, Final, TypeAlias

import httpx2

from seawall.state import call_after_fork

_Loop: TypeAlias = asyncio.AbstractEventLoop


class Connections:
    """Those that clients of this process have used, as network streams. Threads may share it."""

    def __init__(self) -> None:
        self._forget()
        call_after_fork(self)

    def note(self, result: Any, loop: _Loop | None = None) -> None:
        """Note the connection over which the result of a request came, and the loop it belongs to."""
        response = getattr(result, "http_response", result)
        stream = response.extensions.get("network_stream") if isinstance(response, httpx2.Response) else None
        if stream is None:
            return
        with self._lock:
            of_loop = self._streams if loop is None else self._of_loops.setdefault(loop, weakref.WeakSet())
            of_loop.add(stream)

    def leave_closed_loops(self) -> None:
        """Break those of event loops that were closed: a pool drops what is broken, before it is used."""
        with self._lock:
            closed = [loop for loop in self._of_loops if loop.is_closed()]
            streams = [stream for loop in closed for stream in self._of_loops.pop(loop)]
        for stream in streams:
            break_connection(stream)

    def after_fork(self) -> None:
        """Take the child's hand off them: their other end hears nothing of it, and a pool makes new ones."""
        streams = [*self._streams, *(each for of_loop in self._of_loops.values() for each in of_loop)]
        self._forget()
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in streams:
            used = stream.get_extra_info("socket")
            if used is not None and used.fileno() >= 0:
                # closed, its number could be another file's when its owner closes it again
                os.dup2(nothing, used.fileno(), inheritable=False)
        os.close(nothing)

    def _forget(self) -> None:
        self._streams: weakref.WeakSet[Any] = weakref.WeakSet()
        self._of_loops: weakref.WeakKeyDictionary[_Loop, weakref.WeakSet[Any]] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()


CONNECTIONS: Final = Connections()
"""Those of all clients."""


def running_loop() -> _Loop | None:
    """Return the event loop of asyncio that runs in this thread; `None` in trio."""
    with suppress(RuntimeError):
        return asyncio.get_running_loop()
    return None


def break_connection(stream: Any) -> None:
    """End whatever reads from a network stream; from any thread."""
    connection = stream.get_extra_info("socket") if stream is not None else None
    if connection is None:
        return
    with suppress(OSError):
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except TypeError:
            # uvloop shows what has no such method
            with socket.socket(fileno=os.dup(connection.fileno())) as hand:
                hand.shutdown(socket.SHUT_RDWR)
